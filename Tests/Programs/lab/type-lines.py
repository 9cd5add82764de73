#!/usr/bin/python3
# Types every line of a document's examples into the lab's shell, as a reader would, and compares what comes with what
# is printed there: usage, in the lab: type-lines.py DOCUMENT…
#
# README.md: blocks fenced as `console`; `$ ` is the shell, `(netemu) ` the monitor and `node:~# ` the console that the
# line before opened; other lines are output. `console status=N` is a block whose command ends with N. A manual page:
# each line between .EX and .EE is a command. Numbers, and blanks in a row, may differ; lines that are not printed may
# stand between those that are.
import re
import sys

import pexpect

SHELL, MONITOR, NODE = r"lab\$ ", r"\(netemu\) ", r"node:~# "
PROMPTS = {"$ ": SHELL, "(netemu) ": MONITOR, "node:~# ": NODE}
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


class Block:
    """One example: its commands, each with its prompt and the output that is printed below it."""

    def __init__(self, place, status=0):
        self.place, self.status, self.steps = place, status, []

    def add(self, line):
        for prompt in PROMPTS:
            if line.startswith(prompt):
                self.steps.append((prompt, [line[len(prompt):]], []))
                return
        assert self.steps, f"{self.place}: output before any command: {line}"
        _, command, output = self.steps[-1]
        if command[-1].endswith("\\") and not output:
            command.append(line)
        else:
            output.append(line)


def blocks_of_markdown(path, text):
    block = None
    for number, line in enumerate(text.split("\n"), 1):
        fence = re.fullmatch(r"```(\w*) ?(?:status=(\d+))?", line)
        if fence and block is None and fence.group(1) == "console":
            block = Block(f"{path}:{number}", int(fence.group(2) or 0))
        elif fence and block is not None:
            yield block
            block = None
        elif block is not None:
            block.add(line)


def blocks_of_manual(path, text):
    block = None
    for number, line in enumerate(text.split("\n"), 1):
        if line == ".EX":
            block = Block(f"{path}:{number}")
        elif line == ".EE":
            yield block
            block = None
        elif block is not None:
            for escape, meaning in ((r"\-", "-"), (r"\(aq", "'"), (r"\(dq", '"'), (r"\(ti", "~"), (r"\e", "\\")):
                line = line.replace(escape, meaning)
            if not block.steps or not block.steps[-1][1][-1].endswith("\\"):
                line = "$ " + line
            block.add(line)


def normal(line):
    return re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)?", "N", line)).strip()


def missing(expected, output):
    """The first printed line that did not come, in the order printed."""
    lines = iter([normal(line) for line in ESCAPES.sub("", output).split("\n")])
    for line in expected:
        if normal(line) and not any(normal(line) == got for got in lines):
            return line
    return None


class Typist:
    def __init__(self):
        self.shell = pexpect.spawn(
            "bash", ["--noprofile", "--norc", "-i"], encoding="utf-8", timeout=90, dimensions=(50, 400),
            env=dict(__import__("os").environ, PS1="lab$ ", TERM="dumb"))
        self.shell.delaybeforesend = None
        self.shell.expect(SHELL)

    def type(self, text):
        """Types it and waits for any prompt; the prompt's pattern and what came before it."""
        self.shell.send(text + "\r")
        patterns = [r"\n" + pattern for pattern in (SHELL, MONITOR, NODE)]
        index = self.shell.expect(patterns)
        return (SHELL, MONITOR, NODE)[index], self.shell.before

    def status(self):
        _, output = self.type("echo status=$?")
        return int(re.findall(r"status=(\d+)", output)[-1])

    def run(self, block):
        place, now = block.place, SHELL
        for prompt, command, expected in block.steps:
            assert now == PROMPTS[prompt], f"{place}: `{prompt}{command[0]}`: the prompt there is {now}"
            # A continued line gets the shell's second prompt.
            for line in command[:-1]:
                self.shell.send(line + "\r")
                self.shell.expect("> $")
            now, output = self.type(command[-1])
            line = missing(expected, output)
            assert line is None, f"{place}: `{command[0]}` printed no `{line}` but\n{output}"
            if now == SHELL and prompt == "$ ":
                status = self.status()
                assert status == block.status, f"{place}: `{command[0]}` ended with {status}\n{output}"
            print(f"{place}: {prompt}{' '.join(command)}", flush=True)
        if now == NODE:
            # Ctrl-A x ends netemu at a terminal that monitor and console share.
            self.shell.send("\x01x")
            self.shell.expect(SHELL)
        elif now == MONITOR:
            now, _ = self.type("quit")
            assert now == SHELL, f"{place}: quit did not lead back to the shell"


def main():
    typist = Typist()
    count = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for block in (blocks_of_markdown if path.endswith(".md") else blocks_of_manual)(path, text):
            typist.run(block)
            count += len(block.steps)
    print(f"{count} lines typed")


main()
