// The one list of options that netemu carries out: a line each. What an option is stands in the file of its room
// (`static let … = OptionRow(…)`); scanner, parser, help, completion and the manual's check walk the rows. Options
// that QEMU has and netemu does not carry out are in QEMUOptionTable.swift.

/// The table.
public enum OptionTable {
    /// What netemu carries out, in the order of `-help`.
    public static let implemented: [OptionRow] = [
        .h,
        .help,
        .version,
        .completion,
        .nic,
        .netdev,
        .net,
        .device,
        .memory,
        .object,
        .numa,
        .guest,
        .chardev,
        .mon,
        .monitor,
        .serial,
        .stopped,
        .incoming,
        .daemonize,
        .pidFile,
        .logFile,
        .runAs,
        .sandbox,
        .repair,
        .migrateHook,
        .guestName,
        .nodefaults,
        .machine,
        .m,
        .set,
        .global,
        .msg,
        .runWith,
    ]

    /// Every option, those of QEMU included.
    public static let rows = implemented + qemuOnly

    private static let byName = Dictionary(rows.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })

    /// The row called `name` (without dashes).
    public static func row(named name: String) -> OptionRow? { byName[name] }
}
