# Nodes are namespaces: of a role they have its system, and need nothing more.
{
  modules = [ ];
  artifacts = _: { };
  extra = _: { };
}
