# Scripts lie in a folder of the project, and become packages: each role installs
# those that it needs, with the interpreter and libraries that they need.
{ pkgs, ... }:
let scripts = import ./scripts { inherit pkgs; };
in
{
  roles = {
    analyst = { ... }: {
      environment.systemPackages = [ scripts.summarise ];
    };
    worker = { ... }: {
      environment.systemPackages = [ scripts.measure ];
    };
  };

  testScript = ''
    with subtest("a role has the scripts that it installs"):
        worker.succeed("measure 3 > /tmp/results.yaml")
        worker.fail("command -v summarise")
        analyst.fail("command -v measure")

    with subtest("one reads what the other wrote"):
        results = worker.succeed("cat /tmp/results.yaml")
        analyst.succeed(f"cat > /tmp/results.yaml <<'END'\n{results}END")
        summary = analyst.succeed("summarise /tmp/results.yaml")
        assert summary.startswith("worker: 3 measurements"), summary
  '';
}
