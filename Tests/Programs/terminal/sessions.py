#!/usr/bin/python3
# netemu at a terminal, as a person sits at one: usage: sessions.py NETEMU SESSION. Every wait has an end; the status
# is 0 when the terminal showed what the session says.
import os
import sys
import termios

import pexpect

UP, DOWN, LEFT, RIGHT, HOME, END, DELETE = (f"\x1b[{key}" for key in ("A", "B", "D", "C", "H", "F", "3~"))
MONITOR = r"\(netemu\) "
CONSOLE = r"node:~# "
# netemu ends lines with both, as QEMU does, and the terminal adds its own.
NEWLINE = r"\r+\n"


def start(netemu, *words, program=None):
    child = pexpect.spawn(
        program or netemu, list(words), encoding="utf-8", timeout=20, dimensions=(24, 100),
        env=dict(os.environ, TERM="dumb" if program else "xterm", LC_ALL="C.UTF-8"))
    child.delaybeforesend = None
    return child


def settings(child):
    return termios.tcgetattr(child.child_fd)


def expect_end(child, status=0):
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == status, (child.exitstatus, child.signalstatus, child.before)


def editing(netemu):
    """Keys of the monitor's line, its history and its end; the terminal is given back as it was."""
    child = start(netemu, "-nic", "none", "-monitor", "stdio", "-name", "edited")
    child.expect("netemu [0-9.]+ monitor - type 'help' for more information" + NEWLINE + MONITOR)
    # Typed in the wrong order, mended with every key that moves or deletes.
    child.send("xnfo nameZ" + LEFT + DELETE + HOME + DELETE + "i" + END + "\r")
    child.expect(NEWLINE + "edited" + NEWLINE + MONITOR)
    # Emacs' keys: kill the word, kill the line, kill to the end.
    child.send("rubbish\x17info status all of this\x01" + RIGHT * 11 + "\x0b\r")
    child.expect("VM status: running" + NEWLINE + MONITOR)
    child.send("nonsense\x15" + UP + UP + "\r")
    child.expect(NEWLINE + "edited" + NEWLINE + MONITOR)
    child.send(UP + UP + DOWN + DOWN + "info version\r")
    child.expect(NEWLINE + r"[0-9]+\.[0-9]+\.[0-9]+[^\r]*" + NEWLINE + MONITOR)
    child.send("q\r")
    expect_end(child)


def completion(netemu):
    """Tab: one match is written out, several are listed, names of what there is are known."""
    child = start(netemu, "-netdev", "hubport,id=wire,hubid=0", "-monitor", "stdio")
    child.expect(MONITOR)
    child.send("info ne\t")
    child.expect("info network ")
    child.send("\r")
    child.expect("hub 0" + NEWLINE + "[^(]*wire[^(]*" + MONITOR)
    child.send("netdev_\t\t")
    child.expect("netdev_add  netdev_del  " + NEWLINE + MONITOR)
    child.send("d\tw\t")
    child.expect("netdev_del wire ")
    child.send("\x15quit\r")
    expect_end(child)


def shared(netemu):
    """Without -monitor and -serial, console and monitor share the terminal as with QEMU's -nographic."""
    child = start(netemu, "-nic", "none")
    child.expect(CONSOLE)
    child.send("hostname\r")
    child.expect(NEWLINE + "node" + NEWLINE + CONSOLE)
    child.send("\x01h")
    child.expect("C-a x    exit emulator")
    child.send("\x01c")
    child.expect("monitor - type 'help' for more information")
    child.expect(MONITOR)
    child.send("info status\r")
    child.expect("VM status: running" + NEWLINE + MONITOR)
    child.send("\x01cecho back\r")
    child.expect(NEWLINE + "back" + NEWLINE + CONSOLE)
    # Ctrl-C is the guest's key here.
    child.send("sleep 1000\r")
    child.expect("sleep 1000\r")
    child.send("\x03echo status $?\r")
    child.expect("echo status")
    child.send("\x01x")
    child.expect("netemu: Terminated")
    expect_end(child)
    assert child.before.strip("\r\n") == "", child.before


def interrupt(netemu):
    """With -monitor stdio Ctrl-C is the signal that it is in a shell."""
    child = start(netemu, "-nic", "none", "-monitor", "stdio")
    child.expect(MONITOR)
    child.send("\x03")
    child.expect("netemu: terminating on signal 2")
    expect_end(child)


def job_control(netemu):
    """Ctrl-Z gives the shell its terminal, fg takes it again and shows the line; the settings survive it all."""
    shell = start(netemu, "--norc", "--noprofile", "-i", program="/bin/bash")
    shell.sendline("PS1='sh''ell> '")
    shell.expect("\r\n.*shell> ")
    before = settings(shell)
    shell.sendline(f"{netemu} -nic none -monitor stdio")
    shell.expect(MONITOR)
    assert settings(shell) != before, "the monitor left the terminal cooked"
    shell.send("info sta")
    shell.expect("info sta")
    shell.send("\x1a")
    shell.expect("Stopped.*shell> ")
    shell.sendline("echo alive")
    shell.expect("\r\nalive\r\n.*shell> ")
    shell.sendline("fg")
    shell.expect(r"\(netemu\) info sta")
    shell.send("tus\r")
    shell.expect("VM status: running" + NEWLINE + MONITOR)
    shell.send("quit\r")
    shell.expect("shell> ")
    shell.sendline("echo status $?")
    shell.expect("\r\nstatus 0\r\n.*shell> ")
    assert settings(shell) == before, "the terminal was not given back as it was"
    shell.sendline("exit")
    expect_end(shell)


def hang_up(netemu):
    """A terminal that goes away ends netemu; nobody is left to read what it says."""
    child = start(netemu, "-nic", "none", "-monitor", "stdio")
    child.expect(MONITOR)
    os.close(child.child_fd)
    _, status = os.waitpid(child.pid, 0)
    assert os.WIFEXITED(status), status


def zsh_completion(netemu):
    """The printed script in a real zsh."""
    zsh = start(netemu, "-f", "-i", program="/usr/bin/zsh")
    folder = os.environ["SESSION_DIRECTORY"]
    os.system(f"'{netemu}' -completion zsh >'{folder}/_netemu'")
    zsh.sendline(
        f"PS1='%% '; fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; bindkey '^I' complete-word; "
        "shown() { zle -I; print -r -- \"buffer<$BUFFER>\"; BUFFER= }; zle -N shown; bindkey '^X' shown; echo rea''dy")
    zsh.expect("ready\r.*% ")
    for typed, completed in COMPLETIONS:
        zsh.send(f"netemu {typed}\t\x18")
        zsh.expect("buffer<(.*?)>")
        assert zsh.match.group(1).rstrip(" ") == f"netemu {completed}", (typed, zsh.match.group(1))
    zsh.sendline("exit")
    expect_end(zsh)


def fish_completion(netemu):
    """The printed script in a real fish."""
    folder = os.environ["SESSION_DIRECTORY"]
    os.system(f"'{netemu}' -completion fish >'{folder}/netemu.fish'")
    for typed, completed in COMPLETIONS:
        lines = pexpect.run(
            f"/usr/bin/fish --no-config -c \"source {folder}/netemu.fish; complete -C 'netemu {typed}'\"",
            encoding="utf-8", env=dict(os.environ, HOME=folder, XDG_CONFIG_HOME=folder, XDG_DATA_HOME=folder))
        words = [line.split("\t")[0] for line in lines.splitlines()]
        assert words == [completed.split(" ")[-1]], (typed, lines)


COMPLETIONS = [
    ("-ni", "-nic"), ("-netdev pa", "-netdev passt"), ("-netdev passt,vh", "-netdev passt,vhost-user="),
    ("-netdev passt,id=x,vh", "-netdev passt,id=x,vhost-user="), ("--nic st", "--nic stream"),
    ("-device virtio-net-pci,netdev=x,ma", "-device virtio-net-pci,netdev=x,mac="), ("-monitor u", "-monitor unix:"),
    ("-pidfile /etc/hostn", "-pidfile /etc/hostname"), ("-completion z", "-completion zsh"),
]

SESSIONS = {
    "editing": editing, "completion": completion, "shared": shared, "interrupt": interrupt,
    "job-control": job_control, "hang-up": hang_up, "zsh-completion": zsh_completion,
    "fish-completion": fish_completion,
}

if __name__ == "__main__":
    SESSIONS[sys.argv[2]](sys.argv[1])
