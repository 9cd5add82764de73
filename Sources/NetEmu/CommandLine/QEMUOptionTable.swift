// QEMU's other options, with their arity, so that each is named rightly: accepted with a warning,
// refused because it boots something, or refused until netemu does it.

extension OptionTable {
    private static func meaningless(_ missing: String, flags: [String] = [], values: [String] = []) -> [OptionRow] {
        flags.map { OptionRow($0, nil, .meaningless(missing: missing)) }
            + values.map { OptionRow($0, "VALUE", .meaningless(missing: missing)) }
    }

    private static func notYet(_ instead: String, flags: [String] = [], values: [String] = []) -> [OptionRow] {
        flags.map { OptionRow($0, nil, .notYet(instead: instead)) }
            + values.map { OptionRow($0, "VALUE", .notYet(instead: instead)) }
    }

    private static func boots(_ guest: String, flags: [String] = [], values: [String] = []) -> [OptionRow] {
        flags.map { OptionRow($0, nil, .boots(guest: guest)) }
            + values.map { OptionRow($0, "VALUE", .boots(guest: guest)) }
    }

    static let qemuOnly: [OptionRow] =
        meaningless(
            "processor",
            flags: [
                "enable-kvm", "no-reboot", "no-shutdown", "no-hpet", "no-acpi", "win2k-hack", "semihosting", "perfmap",
                "jitdump", "old-param",
            ],
            values: [
                "cpu", "smp", "accel", "icount", "tb-size", "semihosting-config", "action", "watchdog-action",
                "watchdog",
            ])
        + meaningless(
            "display",
            flags: ["nographic", "full-screen", "usb", "sdl", "curses", "no-quit", "portrait"],
            values: ["display", "vga", "g", "spice", "vnc", "rotate", "k", "audiodev", "audio", "soundhw", "usbdevice"])
        + meaningless(
            "firmware",
            values: [
                "boot", "bios", "smbios", "acpitable", "fw_cfg", "prom-env", "rtc", "uuid", "L", "pflash", "option-rom",
            ])
        + meaningless(
            "emulated board",
            flags: [
                "no-user-config", "nouserconfig", "preconfig", "xen-attach", "xen-domid-restrict", "no-fd-bootchk",
            ],
            values: [
                "parallel", "debugcon", "compat", "overcommit", "xen-domid", "tpmdev", "plugin", "seed", "iscsi",
            ])
        + meaningless("disks", flags: ["snapshot"], values: ["blockdev"])
        + meaningless("file systems to share", values: ["fsdev", "virtfs"])
        + meaningless("file-backed memory", flags: ["mem-prealloc"], values: ["mem-path"])
        + meaningless("CPU debugger", flags: ["s", "singlestep"], values: ["gdb", "qtest", "qtest-log"])
        + meaningless("such log of its own", values: ["d", "trace", "dfilter"])
        + meaningless("escape character but Ctrl-A", values: ["echr"])
        + meaningless("sets of descriptors", values: ["add-fd"])
        + meaningless("part that cannot migrate", flags: ["only-migratable"])
        + meaningless("asynchronous teardown", flags: ["async-teardown", "enable-sync-profile", "enable-fips"])
        + boots("uml", values: ["kernel", "initrd", "append", "dtb", "shim"])
        + boots("qemu", values: ["hda", "hdb", "hdc", "hdd", "cdrom", "fda", "fdb", "sd", "mtdblock", "loadvm"])
        + [drive]
        + notYet("Leave it out; what works today: -monitor stdio", values: ["qmp", "qmp-pretty"])
        + notYet("What works today: -guest node, started by netemu itself", values: ["export"])
        + notYet("Leave it out; what works today: docs/migration-format.md", values: ["dump-vmstate"])
        + notYet("Leave it out; what works today: -runas USER, -sandbox on", values: ["chroot"])
        + notYet("What works today: options on the command line", values: ["readconfig", "writeconfig"])

    /// A drive puts a system into the machine, unless it is the firmware's.
    private static let drive: OptionRow = {
        var row = OptionRow("drive", "VALUE", .boots(guest: "qemu"))
        row.exception = { option in
            let list = try? KeyValueList(parsing: option.value ?? "", implied: nil)
            return list?["if"] == "pflash" ? .meaningless(missing: "firmware") : nil
        }
        return row
    }()
}
