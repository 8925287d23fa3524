# Debian's files, whose programs find the loader and the libraries in this store path.
export PATH=$busybox/bin
cp -a $raw $out
chmod -R u+w $out
lib=usr/lib/x86_64-linux-gnu
patchelf() { $raw/usr/lib64/ld-linux-x86-64.so.2 --library-path $raw/$lib $raw/usr/bin/patchelf "$@"; }
loader=$out/usr/lib64/ld-linux-x86-64.so.2
find $out/usr/bin $out/usr/lib $out/usr/libexec -type f ! -name '*.so*' ! -name '*.so' | while read -r file; do
  [ "$(head -c 4 "$file" | tail -c 3)" = ELF ] || continue
  patchelf --print-interpreter "$file" >/dev/null 2>&1 || continue
  patchelf --set-interpreter $loader --force-rpath --set-rpath $out/$lib:$out/$lib/systemd:$out/usr/lib/systemd "$file"
done
# Libraries that name a folder of their own would not look into the programs'.
find $out/usr/lib -type f -name '*.so*' | while read -r file; do
  [ -n "$(patchelf --print-rpath "$file" 2>/dev/null)" ] || continue
  patchelf --set-rpath $out/$lib:$out/$lib/systemd "$file"
done
# Scripts' interpreters.
find $out/usr/bin -type f | while read -r file; do
  [ "$(head -c 2 "$file")" = '#!' ] || continue
  sed -i "1s,#! */\(usr/\)\?bin/,#!$out/usr/bin/," "$file"
done
