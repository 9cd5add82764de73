// -msg: what stands in front of netemu's own words.

extension OptionRow {
    static let msg = OptionRow(
        "msg", "[timestamp=on|off][,guest-name=on|off]", "put the time, or the guest's name, in front of messages",
        reads: .list(.checked(implied: "", MessageStyle.keys))
    ) { _, _ in
        // It took effect before anything else: errors of the line itself are messages.
    }
}

extension MessageStyle {
    static let keys = KeyTable(
        title: "msg",
        rows: [
            KeyRow("timestamp", .boolean, "the time (default off)"),
            KeyRow("guest-name", .boolean, "the name that -name gives (default off)"),
        ])

    /// What a command line asks for, whether or not the rest of it can be carried out.
    init(askedIn arguments: [String]) {
        var showsName = false
        var name: String?
        for case .option(let option) in OptionScanner.pieces(of: arguments) {
            guard ["msg", "name"].contains(option.row.name),
                let list = try? option.row.grammar?.read(option.value ?? "")
            else { continue }
            if option.row.name == "name" {
                name = list["guest"] ?? name
            } else if let values = try? Self.keys.read(list) {
                hasTime = values.boolean("timestamp") ?? hasTime
                showsName = values.boolean("guest-name") ?? showsName
            }
        }
        guestName = showsName ? name : nil
    }
}
