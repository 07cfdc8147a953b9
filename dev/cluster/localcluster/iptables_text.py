"""Reading and writing the text form of iptables rules, apart from running anything."""

from __future__ import annotations

from collections.abc import Sequence


def removal_script(saved: str, prefixes: Sequence[str]) -> str:
    """Return input for `iptables-restore --noflush` that removes every chain with such a prefix.

    `saved` is what iptables-save printed. First go the jumps from chains that stay, then the
    rules of the doomed chains (they jump to one another), then the chains. Empty when there
    is nothing to remove.
    """
    script: list[str] = []
    table = ""
    chains: list[str] = []
    jumps: list[str] = []
    for line in saved.splitlines():
        if line.startswith("*"):
            table, chains, jumps = line, [], []
        elif line.startswith(":"):
            chain = line[1:].split()[0]
            if chain.startswith(tuple(prefixes)):
                chains.append(chain)
        elif line.startswith("-A "):
            words = line.split()
            target = _jump_target(words)
            stays = not words[1].startswith(tuple(prefixes))
            if stays and target.startswith(tuple(prefixes)):
                jumps.append(f"-D {line[3:]}")
        elif line == "COMMIT" and chains:
            script += [table, *jumps]
            script += [f"-F {chain}" for chain in chains]
            script += [f"-X {chain}" for chain in chains]
            script.append("COMMIT")
    return "\n".join(script) + "\n" if script else ""


def _jump_target(words: Sequence[str]) -> str:
    for flag in ("-j", "-g"):
        if flag in words:
            return words[words.index(flag) + 1]
    return ""
