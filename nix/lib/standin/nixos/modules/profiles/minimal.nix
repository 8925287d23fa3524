# NixOS's minimal profile; the stand-in is small already.
{ }
