# How /etc comes about, for the first program of a node and for one that makes
# a running node take on another system. $files is the part of the system that
# lies in /etc, $tree the distribution.

# The distribution's file system, where its programs expect it.
link_tree() {
  ln -sfn "$tree/usr" /usr
  for name in bin sbin lib lib64; do
    [ -e "$tree/usr/$name" ] || continue
    [ -e "/$name" ] && [ ! -L "/$name" ] || ln -sfn "usr/$name" "/$name"
  done
}

# Real folders with links to files, so that files of other makers fit between
# them. One ln for each folder.
link_etc() {
  ln -sfn "$files/etc" /etc/static
  cd "$files/etc"
  find . -type d | while read -r folder; do
    folder=${folder#.}
    mkdir -p "/etc$folder"
    find "$files/etc$folder" -mindepth 1 -maxdepth 1 ! -type d | xargs -r sh -c 'ln -sf "$@" "$0"' "/etc$folder/"
  done
  cd /
}

# Files that are no links, because they have a mode or an owner.
copy_etc() {
  while read -r mode numbers names file; do
    rm -f "/etc/$file"
    mkdir -p "/etc/$(dirname "$file")"
    cp -L "$files/copies/$file" "/etc/$file"
    chmod "$mode" "/etc/$file"
    [ "$numbers" = 0:0 ] || chown "$numbers" "/etc/$file"
  done <"$files/copies.list"
}

# Copies may name owners that only exist once the users do.
own_copies() {
  while read -r mode numbers names file; do
    [ "$names" = root:root ] || chown "$names" "/etc/$file"
  done <"$files/copies.list"
}

# Names that the configuration adds to those that the network gave.
hosts_mark="# from the system's configuration"
add_hosts() {
  if [ -s "$system/hosts" ] && ! grep -qF "$hosts_mark" /etc/hosts 2>/dev/null; then
    { echo "$hosts_mark"; cat "$system/hosts"; } >>/etc/hosts
  fi
}
