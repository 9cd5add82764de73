#!/usr/bin/python3
"""Random command lines, run by QEMU and by netemu: exit status, first error and `info network` are compared.

usage: differential.py QEMU NETEMU [--lines N] [--seed N] [--verbose]

The same seed makes the same lines. The status is 0 when nothing differed but what is intended (INTENDED below).
Each program runs in an empty directory, reads monitor commands from a pipe, and is ended after a while.
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile

PATIENCE = 20


class Lines:
    """Makes command lines of what both programs have: hub ports, cards, memory objects, monitors, -set, -global."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.netdevs, self.devices, self.chardevs, self.memory = [], [], [], []

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def pick(self, *choices):
        return self.random.choice(choices)

    def number(self, usual):
        if self.chance(60):
            return str(usual)
        return self.pick("0", "010", "08", "-0x1", " 1", "1 ", "0x-1", "+1", "", "-", "0b11", "0x1F", "1.5", "abc", "--1",
                         "3000000000", "9223372036854775808", "-010", "0x", "1k", "-1")

    def name(self, stem, names):
        name = f"{stem}{self.random.randrange(4)}" if self.chance(92) else self.pick("1x", "a/b", "", "x.y", "#a")
        names.append(name)
        return name

    def some(self, names, otherwise="nosuch"):
        return self.random.choice(names) if names and self.chance(85) else otherwise

    def mac(self):
        return self.pick("52:54:00:12:34:57", "00:00:00:00:00:00", "52:54:00:12:34:56", "02:00:00:00:00:01",
                         "53:54:00:12:34:56", "52:54:00", "zz:zz:zz:zz:zz:zz", "", "52-54-00-00-00-09")

    # A list is made of pairs, and then written as one of its forms.

    def hub_port(self):
        pairs = [("id", self.name("n", self.netdevs)), ("hubid", self.number(self.random.randrange(3)))]
        if self.chance(15):
            pairs.append(("netdev", self.some(self.netdevs)))
        if self.chance(10):
            pairs.append(self.pick(("id", "second"), ("hubid", "2"), ("bogus", "1"), ("hubid", ""), ("netdev", "")))
        if self.chance(8):
            pairs.pop(0)
        return ["-netdev", self.written("type", self.pick(*["hubport"] * 12, "foo", ""), pairs)]

    def written(self, head, value, pairs):
        if self.chance(75):
            words = [value if self.chance(80) else f"{head}={value}"] + [f"{key}={text}" for key, text in pairs]
            return ",".join(words)
        members = {head: value}
        for key, text in pairs:
            members[key] = int(text) if re.fullmatch(r"-?(0|[1-9][0-9]*)", text) and self.chance(85) else text
            if text in ("on", "off") and self.chance(85):
                members[key] = text == "on"
        text = json.dumps(members, separators=(",", ":"), ensure_ascii=False)
        return self.broken(text) if self.chance(25) else text

    def broken(self, text):
        place = self.random.randrange(1, len(text))
        return self.pick(text[:place], text[:place] + self.pick("x", "1", "]", "}", ",", '"', " ", ":") + text[place:],
                         text[:-1] + ',"id":"again"}', text[:-1] + ',"hubid":1}', text + "x", text + " ")

    CARD = [("csum", "off"), ("csum", "on"), ("csum", "maybe"), ("packed", "off"), ("ioeventfd", "on"), ("gso", "on"),
            ("ctrl_vq", "on"), ("guest_announce", "on"), ("mq", "off"), ("bogus", "1"), ("mrg_rxbuf", "off"),
            ("rx_queue_size", "512"), ("rx_queue_size", "0x200"), ("rx_queue_size", "100"), ("tx_queue_size", "256"),
            ("host_mtu", "1500"), ("host_mtu", "02000"), ("host_mtu", "99999"), ("host_mtu", "-1"), ("host_mtu", "08"),
            ("vectors", "4"), ("vectors", "-1"), ("vectors", "abc"), ("rombar", "0"), ("rombar", "x"),
            ("multifunction", "off"), ("multifunction", "x"), ("romsize", "65536"), ("acpi-index", "abc"),
            ("disable-legacy", "auto"), ("disable-legacy", "maybe"), ("page-per-vq", "off"), ("ats", "off"),
            ("bootindex", "abc"), ("event_idx", "on"), ("any_layout", "on"), ("status", "on"), ("init-vet", "on"),
            ("hash-ipv4", "auto"), ("speed", "-1"), ("duplex", "full"), ("x-txburst", "256"), ("iommu_platform", "off")]

    def card(self):
        model = self.pick(*["virtio-net-pci"] * 5, "virtio-net", "e1000", "rtl8139", "e1000e", "nosuch", "")
        pairs = self.random.sample(self.CARD, self.random.randrange(3))
        if self.chance(60):
            pairs.append(("id", self.name("d", self.devices)))
        if self.chance(60):
            pairs.append(("netdev", self.some(self.netdevs)))
        if self.chance(30):
            pairs.append(("mac", self.mac()))
        if self.chance(5):
            pairs.append(("id", "second"))
        return ["-device", self.written("driver", model, pairs)]

    def nic(self):
        words = ["hubport", f"hubid={self.number(self.random.randrange(2))}"]
        if self.chance(30):
            words.append(f"mac={self.mac()}")
        if self.chance(30):
            words.append("model=" + self.pick("virtio", "e1000", "rtl8139", "virtio-net-pci", "foo"))
        if self.chance(30):
            words.append("id=" + self.name("n", self.netdevs))
        return ["-nic", ",".join(words)]

    def legacy(self):
        words = ["nic"]
        if self.chance(40):
            words.append(f"macaddr={self.mac()}")
        if self.chance(40):
            words.append("model=" + self.pick("virtio", "e1000", "foo"))
        if self.chance(30):
            words.append("netdev=" + self.some(self.netdevs))
        if self.chance(10):
            words.append(self.pick("vectors=-1", "vectors=4", "bogus=1", "id=1x", "addr=5"))
        return ["-net", ",".join(words)]

    def set(self):
        group, names, keys = self.pick(
            ("netdev", self.netdevs, ["hubid", "netdev", "bogus"]), ("device", self.devices, ["mac", "netdev", "csum", "bogus"]),
            ("chardev", self.chardevs, ["mux", "bogus"]), ("foo", ["x"], ["y"]), ("object", self.memory, ["size"]))
        value = self.mac() if keys[0] == "mac" else self.number(1)
        text = f"{group}.{self.some(names)}.{self.random.choice(keys)}={value}"
        return ["-set", self.pick(*[text] * 8, text.replace("=", ""), text.replace(".", "", 1))]

    def global_property(self):
        model = self.pick(*["virtio-net-pci"] * 4, "virtio-net-device", "virtio-device", "virtio-pci", "e1000", "nosuch")
        key, value = self.pick(*self.CARD, *[("mac", self.mac())] * 8)
        if self.chance(80):
            return ["-global", f"{model}.{key}={value}"]
        return ["-global", self.pick(f"driver={model},property={key},value={value}", f"driver={model},property={key}", model)]

    def memory_object(self):
        kind = self.pick("ram", "memfd", "shm")
        size = self.pick("1M", "16M", ".5M", "+2M", "1.5M", "0x100000", "0", "abc", "-1", "", "1e6", "1048576", " 1M", "1 M")
        pairs = [("id", self.name("m", self.memory)), ("size", size)]
        pairs += self.random.sample(
            [("share", "on"), ("prealloc", "off"), ("merge", "off"), ("dump", "on"), ("reserve", "on"), ("policy", "default"),
             ("policy", "foo"), ("prealloc-threads", "1"), ("prealloc-threads", "x"), ("seal", "on"), ("hugetlb", "off"),
             ("bogus", "1"), ("share", "maybe"), ("id", "second")], self.random.randrange(3))
        return ["-object", self.written("qom-type", f"memory-backend-{kind}", pairs)]

    def memory_size(self):
        return ["-m", self.pick("64", "64M", "+64M", ".25G", " 32M", "64M,maxmem=1G", "64M,maxmem=16M", "64M,slots=2", "64M,slots=99999999999999999999,maxmem=1G",
                                "64M,slots=9223372036854775808,maxmem=1G",
                                "64M,slots=2,maxmem=1G", "size=64M", "size=", "abc", "-1", "1e2", "0x40M", "64MB", "64.0M",
                                "16.5M", "size=64M,size=32M", "64M,bogus=1", "0x4000000")]

    def monitor(self):
        device = self.name("c", self.chardevs)
        words = ["-chardev", self.pick(f"null,id={device}", f"null,id={device},id=second", f"null,id={device},bogus=1")]
        if self.chance(50):
            form = self.pick("-mon", "-object")
            chardev = self.some(self.chardevs)
            words += [form, f"chardev={chardev},mode=readline" if form == "-mon" else
                      self.pick(f"monitor-hmp,id=o{device},chardev={chardev}", "monitor-hmp,id=o", f"monitor-hmp,chardev={chardev}")]
        return words

    def other(self):
        return self.pick(["-name", "x,debug-threads=on"], ["-name", "x,process=y"], ["-name", "guest=x,debug-threads=maybe"],
                         ["-name", "x,bogus=1"], ["-machine", "memory-backend=" + self.some(self.memory)],
                         ["-msg", "timestamp=off"], ["-msg", "bogus=on"], ["-echr", "1"], ["-run-with", "async-teardown=off"],
                         ["-cpu", "qemu64"], ["-smp", "1"], ["-rtc", "base=utc"], ["-device", "virtio-rng-pci"],
                         ["-object", "secret,id=sec,data=x"], ["-object", "iothread,id=io"])

    def command(self):
        return self.pick(
            f"netdev_add hubport,id={self.name('n', self.netdevs)},hubid={self.number(1).strip() or '0'}",
            f"netdev_add hubport,id={self.name('n', self.netdevs)},hubid=1 ",
            f"netdev_add hubport,id=x ,hubid=1", "netdev_add", f"netdev_del {self.some(self.netdevs)}",
            f"set_link {self.some(self.netdevs)} off", f"set_link {self.some(self.devices)} on", "set_link x",
            'set_link "x on', f"device_add nosuch,id=q", "device_add", "device_add driver=virtio-net-pci,bogus=1",
            "info network", "info nosuch", "info status", "nosuch", "object_add filter-dump,id=1f", "info name")

    def line(self):
        self.netdevs, self.devices, self.chardevs, self.memory = [], [], [], []
        makers = [self.hub_port] * 5 + [self.card] * 5 + [self.nic, self.legacy, self.set, self.set, self.global_property,
                                                         self.memory_object, self.memory_size, self.monitor, self.other]
        words = [word for _ in range(self.random.randrange(1, 5)) for word in self.random.choice(makers)()]
        commands = [self.command() for _ in range(self.random.randrange(3))]
        return words, commands


def screen(text):
    """What stays on the screen of a monitor that redraws its line."""
    lines = []
    for line in text.split("\n"):
        cells, cursor, place = [], 0, 0
        line = line.rstrip("\r")
        while place < len(line):
            escape = line[place:place + 3]
            if escape == "\x1b[D":
                cursor = max(0, cursor - 1)
            elif escape == "\x1b[C":
                cursor += 1
            elif escape == "\x1b[K":
                del cells[cursor:]
            else:
                cells[cursor:cursor + 1] = line[place]
                cursor += 1
                place += 1
                continue
            place += 3
        lines.append("".join(cells))
    return [line for line in lines if line and not re.match(r"\((qemu|netemu)\) |(QEMU|netemu) \S+ monitor", line)]


def run(program, words, commands):
    """Status (negative for a signal, None for no end), first error, what the monitor showed."""
    with tempfile.TemporaryDirectory() as place:
        child = subprocess.Popen(
            program + words, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        text = "".join(line + "\n" for line in commands + ["info network", "quit"])
        try:
            output, errors = child.communicate(text.encode(), timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            return None, "", []
    errors = [line for line in errors.decode(errors="replace").splitlines() if "warning:" not in line]
    errors = [re.sub(r"^(qemu-system-x86_64|netemu): ", "", line) for line in errors]
    first = next((line for line in errors if not line.startswith(("Please use", "Ignoring deprecated"))), "")
    shown = [re.sub(r"#net\d+", "#net", line) for line in screen(output.decode(errors="replace"))]
    shown = [re.sub(r"^(qemu-system-x86_64|netemu): ", "", line) for line in shown]
    return child.returncode, first if child.returncode else "", shown


# What differs on purpose: why, and whether it is so.
INTENDED = [
    ("QEMU aborts", lambda q, n: q[0] is not None and q[0] < 0),
    ("netemu does not have it, and says so",
     lambda q, n: "is not supported yet" in n[1] or "not supported yet" in "".join(n[2])),
    ("guest memory is 16M to 64G, of whole pages", lambda q, n: "guest memory of" in n[1]),
    ("-set cannot change an id", lambda q, n: "an id cannot be changed" in n[1]),
    ("QEMU tells some errors of the monitor on standard error",
     lambda q, n: q[:2] == n[:2] and q[2] == [
         line for line in n[2] if not line.startswith(("Parameter 'id' expects", "Duplicate ID")) and not is_hint(line)]),
    ("QEMU takes a negative size for a large one", lambda q, n: '"size":-1' in n[1] and "expects uint64" in n[1]),
    ("hints of netemu", lambda q, n: q[:2] == n[:2] and [l for l in n[2] if not is_hint(l)] == q[2]),
    ("QEMU looks for the board's bus first", lambda q, n: "No 'PCI' bus found" in q[1] or "does not support hotplugging" in "".join(q[2])),
    ("a key with a bracket is told first", lambda q, n: q[0] == 1 and re.search(r"'[^']*[][][^']*' is unexpected$", n[1])),
    ("of several unknown keys the first typed is told", lambda q, n: "Invalid parameter '" in n[1]
     and n[1].split("Invalid parameter '")[0] == q[1].split("Invalid parameter '")[0] and q[1] != n[1]),
    ("cards have no ROM", lambda q, n: "is too large for ROM size" in q[1]),
    ("QEMU refuses it for a card that is not there", lambda q, n: "can't apply global virtio-pci." in q[1]),
    ("JSON errors of a broken line have no second place", lambda q, n: "JSON parse error" in q[1] and "JSON parse error" in n[1]
     and q[1].split(": JSON")[1] == n[1].split(": JSON")[1] and "stray" in q[1]),
]


def is_hint(line):
    return line.startswith(("Did you mean", "Add mux=on", "What works today", "Identifiers consist"))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("qemu")
    arguments.add_argument("netemu")
    arguments.add_argument("--lines", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--verbose", action="store_true")
    asked = arguments.parse_args()
    common = ["-nodefaults", "-S", "-monitor", "stdio"]
    qemu = [os.path.abspath(asked.qemu), "-M", "q35", "-display", "none"] + common
    netemu = [os.path.abspath(asked.netemu), "-guest", "none"] + common
    lines = Lines(asked.seed)
    counts = {"equal": 0, "different": 0}
    for _ in range(asked.lines):
        words, commands = lines.line()
        theirs, ours = run(qemu, words, commands), run(netemu, words, commands)
        reason = "equal" if theirs == ours else next(
            (why for why, holds in INTENDED if holds(theirs, ours)), "different")
        counts[reason] = counts.get(reason, 0) + 1
        if reason == "different" or asked.verbose:
            print(f"{reason}: {json.dumps(words, ensure_ascii=False)} {commands}\n  QEMU   {theirs}\n  netemu {ours}")
    print(", ".join(f"{count} {reason}" for reason, count in counts.items()))
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
