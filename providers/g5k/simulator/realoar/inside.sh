# Configures and starts a site's OAR, and then takes SQL from its input. It is
# the first process of its namespaces: all end when its input does.
set -eu
exec 4<&0 </dev/null
# OAR's programs close every descriptor that they might have, one by one.
ulimit -n 1024
hostname frontend
ip link set lo up
ln -sf /usr/share/zoneinfo/Europe/Paris /etc/localtime
echo Europe/Paris >/etc/timezone
echo "127.0.0.1 localhost frontend" >/etc/hosts
for i in 1 2 3; do echo "127.0.0.1$i dahu-$i.grenoble.grid5000.fr dahu-$i" >>/etc/hosts; done
rm -f /etc/resolv.conf
mkdir -p /run/sshd /run/apache2/socks /run/postgresql /run/lock
chown www-data /run/apache2/socks
chown postgres /run/postgresql
useradd -m -s /bin/bash user
usermod -p '*' user # one without a password is locked, and sshd turns it away
usermod -p '*' oar

# All nodes are this machine, and always there; jobs get no cpuset.
sed -i -e '/^PINGCHECKER_/d' -e '/^JOB_RESOURCE_MANAGER_PROPERTY_DB_FIELD/d' -e '/^DB_BASE_PASSWD/d' \
	-e '/^DEPLOY_HOSTNAME/d' /etc/oar/oar.conf
cat >>/etc/oar/oar.conf <<CONF
DB_BASE_PASSWD="oar"
DB_BASE_PASSWD_RO="oar_ro"
PINGCHECKER_GENERIC_COMMAND="/bin/true"
LOG_LEVEL="3"
DEPLOY_HOSTNAME="frontend"
WALLTIME_CHANGE_ENABLED="yes"
WALLTIME_MAX_INCREASE="-1"
CONF

cluster=$(ls -d /etc/postgresql/*/main)
version=$(basename "$(dirname "$cluster")")
su postgres -s /bin/sh -c "/usr/lib/postgresql/$version/bin/pg_ctl -s -w -t 120 -D /var/lib/postgresql/$version/main \
	-o '-c config_file=$cluster/postgresql.conf -c fsync=off -c listen_addresses=127.0.0.1' -l /tmp/postgresql.log start"
oar-database --create --db-is-local
/usr/sbin/sshd -f /etc/oar/sshd_config # of the nodes, and of the frontend where deploy jobs run
oarproperty -a cluster -c
oarproperty -a host -c
for i in 1 2 3; do
	node=dahu-$i.grenoble.grid5000.fr
	oarnodesetting -a -h "$node" -p "host=$node" -p cluster=dahu -p deploy=YES
done
oar-server

# OAR's REST interface, which believes who asks.
cat >/etc/apache2/oar.conf <<CONF
ServerRoot /etc/apache2
ServerName frontend
PidFile /run/apache2/apache2.pid
ErrorLog /var/log/apache2/error.log
User www-data
Group www-data
Listen 127.0.0.1:6668
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so
LoadModule suexec_module /usr/lib/apache2/modules/mod_suexec.so
ScriptSock /run/apache2/socks/cgisock
SuexecUserGroup oar oar
ScriptAlias /oarapi /usr/lib/cgi-bin/oarapi/oarapi.cgi
<Directory /usr/lib/cgi-bin/oarapi>
	Options +ExecCGI
	SetEnv OARCONFFILE /etc/oar/oar.conf
	Require all granted
</Directory>
CONF
sed -i '1s|.*|/usr/lib/cgi-bin/oarapi|' /etc/apache2/suexec/www-data
apache2 -f /etc/apache2/oar.conf

chmod 755 /root
cd /tmp
echo ready >&3
su postgres -s /bin/sh -c 'exec psql -At -q -X oar' <&4 >&3
