# What a package says of itself.
{ lib }:
rec {
  getExe = package:
    getExe' package (package.meta.mainProgram or (lib.getName package));
  getExe' = package: name: "${lib.getBin package}/bin/${name}";
  setName = name: package: package // { inherit name; };
  addMetaAttrs = meta: package: package // { meta = (package.meta or { }) // meta; };
  lowPrio = package: setPrio 10 package;
  hiPrio = package: setPrio (-10) package;
  setPrio = priority: addMetaAttrs { inherit priority; };
  dontDistribute = package: package;

  # Names that packages' meta refers to.
  licenses = builtins.listToAttrs (map (name: { inherit name; value = { shortName = name; }; }) [
    "asl20" "bsd2" "bsd3" "cc0" "gpl2" "gpl2Only" "gpl2Plus" "gpl3" "gpl3Only"
    "gpl3Plus" "isc" "lgpl21" "lgpl3" "mit" "mpl20" "publicDomain" "unfree" "zlib"
  ]);
  platforms = {
    linux = [ "x86_64-linux" "aarch64-linux" ];
    unix = platforms.linux;
    all = platforms.linux;
  };
  maintainers = { };
  teams = { };
}
