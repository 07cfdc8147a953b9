"""Writes what is generated from the models: `python -m eagle_contract.generate [--check]`.

With `--check` nothing is written; the exit code is 1 and the names are printed if a file is not as it would be.
"""

import sys
from pathlib import Path

import yaml

from eagle_contract.generate.crd import model_versions, training_schedules
from eagle_contract.generate.reference import reference

ROOT = Path(__file__).parents[3]


def generated() -> dict[Path, str]:
    """Path to content of every generated file."""
    header = "# Generated from contract/eagle_contract/api by `make generate`; do not edit.\n"
    definitions = [training_schedules(), model_versions()]
    return {
        **{
            ROOT / "crds" / f"{crd['metadata']['name'].split('.')[0]}.yaml": header
            + yaml.safe_dump(crd, sort_keys=False, width=110, allow_unicode=True)
            for crd in definitions
        },
        ROOT / "docs" / "api.md": reference(definitions),
    }


def main() -> None:
    """Write the files, or with `--check` compare them."""
    stale = [path for path, text in generated().items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        if stale:
            sys.exit("not as generated; run `make generate`: " + ", ".join(str(p.relative_to(ROOT)) for p in stale))
        return
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(generated()[path])
        print("wrote", path.relative_to(ROOT))


if __name__ == "__main__":
    main()
