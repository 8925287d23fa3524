# NixOS's headless profile: nothing to do here.
{ }
