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
            values: ["boot", "bios", "smbios", "acpitable", "fw_cfg", "prom-env", "rtc", "uuid", "L"])
        + meaningless(
            "emulated board",
            flags: [
                "no-user-config", "nouserconfig", "preconfig", "xen-attach", "xen-domid-restrict", "no-fd-bootchk",
            ],
            values: [
                "global", "set", "parallel", "debugcon", "compat", "overcommit", "xen-domid", "tpmdev", "plugin",
                "dfilter", "seed", "iscsi",
            ])
        + meaningless("file-backed memory", flags: ["mem-prealloc"], values: ["mem-path"])
        + meaningless("CPU debugger", flags: ["s", "singlestep"], values: ["gdb", "qtest", "qtest-log"])
        + boots(
            "uml", values: ["kernel", "initrd", "append", "dtb", "shim"])
        + boots(
            "qemu", flags: ["snapshot"],
            values: [
                "drive", "hda", "hdb", "hdc", "hdd", "cdrom", "fda", "fdb", "blockdev", "sd", "pflash", "mtdblock",
                "option-rom",
                "virtfs", "fsdev", "loadvm",
            ])
        + notYet("What works today: -monitor stdio", values: ["qmp", "qmp-pretty", "echr"])
        + notYet("What works today: -guest node, started by netemu itself", values: ["export"])
        + notYet(
            "What works today: a guest that starts here and is not migrated", flags: ["only-migratable"],
            values: ["incoming", "dump-vmstate"])
        + notYet(
            "What works today: -runas USER, -sandbox on", values: ["chroot", "run-with"])
        + notYet("What works today: messages on stderr", values: ["d", "trace", "msg"])
        + notYet("What works today: options on the command line", values: ["readconfig", "writeconfig"])
        + notYet("What works today: passt is started by netemu, which needs no descriptor", values: ["add-fd"])
        + meaningless("asynchronous teardown", flags: ["async-teardown", "enable-sync-profile", "enable-fips"])
}
