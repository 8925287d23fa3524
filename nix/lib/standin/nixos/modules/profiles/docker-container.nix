# NixOS's profile for containers.
{ boot.isContainer = true; }
