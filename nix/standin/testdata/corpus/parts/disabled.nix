{ l = [ "disabled" ]; }
