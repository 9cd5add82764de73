// What -help, -version and the `help` values print. Made from the tables.

/// netemu's version.
public enum Version {
    /// What `-version` prints.
    public static let text = "0.1.0"
}

extension OptionRow {
    static let h = OptionRow("h", nil, "show this help and exit", answer: { _ in HelpText.usage }, effect: nothing)
    static let help = OptionRow("help", nil, "the same as -h", answer: { _ in HelpText.usage }, effect: nothing)
    static let version = OptionRow(
        "version", nil, "show netemu's version and exit", answer: { _ in "netemu version \(Version.text)" },
        effect: nothing)
    static let completion = OptionRow(
        "completion", "bash|zsh|fish", "print a completion script for that shell and exit",
        reads: .word(CompletionShell.allCases.map(\.rawValue)),
        answer: { option throws(OptionError) in
            guard let shell = CompletionShell(rawValue: option.value ?? "") else {
                throw option.error("bash, zsh and fish are known")
            }
            return CompletionScript.text(for: shell)
        }, effect: nothing)

    /// Of options that are answered before anything takes effect.
    private static let nothing: Effect = { _, _ in }
}

enum HelpText {
    /// The text that a command line asks for; nil when it asks for none. The first request wins; an option that does
    /// not exist is told first.
    static func answer(to pieces: [OptionScanner.Piece]) throws(OptionError) -> String? {
        for case .option(let option) in pieces {
            guard let text = try option.row.answer(option) else { continue }
            for case .fault(let error, _) in pieces where !error.isLack { throw error }
            return text
        }
        return nil
    }

    static var usage: String {
        var lines = [
            "netemu version \(Version.text): QEMU's network emulation without the virtual machine",
            "usage: netemu [options]", "",
        ]
        for row in OptionTable.implemented {
            let head = row.argument.map { "-\(row.name) \($0)" } ?? "-\(row.name)"
            lines.append(head)
            lines.append("                \(row.help)")
        }
        lines += ["", "Example: netemu -nic passt", "See netemu(1) for all of it."]
        return lines.joined(separator: "\n")
    }
}
