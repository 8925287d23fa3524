# Names that NixOS's modules know, over Debian's files.
export PATH=$tree/usr/bin
mkdir -p $out/lib/systemd $out/example $out/share $out/etc
ln -s $tree/usr/bin $out/bin
ln -s $tree/usr/bin $out/sbin
ln -s $tree/usr/libexec $out/libexec
ln -s $tree/etc/nginx $out/conf
for f in $tree/usr/lib/*; do [ ${f##*/} = systemd ] || ln -s $f $out/lib/; done
for f in $tree/usr/lib/x86_64-linux-gnu/*; do [ -e $out/lib/${f##*/} ] || ln -s $f $out/lib/; done
for f in $tree/usr/lib/systemd/*; do [ ${f##*/} = system -o ${f##*/} = user ] || ln -s $f $out/lib/systemd/; done
for f in $tree/usr/share/*; do ln -s $f $out/share/; done
for f in $tree/etc/*; do ln -s $f $out/etc/; done

for name in tmpfiles.d sysctl.d; do cp -r --no-preserve=mode $tree/usr/lib/$name $out/example/; done
mkdir $out/example/systemd
cp -r --no-preserve=mode $tree/usr/lib/systemd/system $tree/usr/lib/systemd/user $out/example/systemd
find $out/example/systemd -type f -exec sed -i -E "s,^(Exec[A-Za-z]*=[-!+@:]*)/(usr/)?(s?bin|lib)/,\1$tree/usr/\3/," {} +
find $out/example/systemd -type f -exec sed -i -E "s,^(Exec[A-Za-z]*=[-!+@:]*)([a-z]),\1$tree/usr/bin/\2," {} +
find $out/example/systemd -type f -exec sed -i -E "s,$tree/usr/sbin/,$tree/usr/bin/," {} +

# What Debian has not is masked, or empty.
for unit in $(grep -oE '"[A-Za-z0-9@.-]+\.(service|socket|target|mount|automount|path|timer|slice)"' $list | tr -d '"'); do
  for kind in system user; do
    [ -e $out/example/systemd/$kind/$unit ] || [ -L $out/example/systemd/$kind/$unit ] || ln -s /dev/null $out/example/systemd/$kind/$unit
  done
done
for wants in $(grep -oE '"[A-Za-z0-9@.-]+\.wants"' $list | tr -d '"'); do mkdir -p $out/example/systemd/system/$wants $out/example/systemd/user/$wants; done
for name in $(grep -oE "example/[a-z.]+/[a-z0-9-]+.conf" $list); do [ -e $out/$name ] || touch $out/$name; done
