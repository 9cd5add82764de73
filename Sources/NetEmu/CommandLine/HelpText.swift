// What -help, -version and the `help` values print. Made from the tables.

/// netemu's version.
public enum Version {
    public static let text = "0.1.0"
}

enum HelpText {
    /// The text that a command line asks for; nil when it asks for none. The first request wins.
    static func answer(to options: [ScannedOption]) throws(OptionError) -> String? {
        for option in options {
            guard case .implemented(let word) = option.row.meaning else { continue }
            switch word {
            case .help: return usage
            case .version: return "netemu version \(Version.text)"
            case .completion:
                guard let shell = CompletionShell(rawValue: option.value ?? "") else {
                    throw option.error("bash, zsh and fish are known")
                }
                return CompletionScript.text(for: shell)
            case .nic, .netdev, .net, .device, .chardev, .object:
                if let text = try keyHelp(word, option.value ?? "") { return text }
            default: continue
            }
        }
        return nil
    }

    /// What `help` in a list, or in place of one, asks for; nil when it asks for nothing.
    static func keyHelp(_ word: OptionWord, _ value: String) throws(OptionError) -> String? {
        guard value.utf8.first != UInt8(ascii: "{") else { return nil }
        let words = value.split(separator: ",").map(String.init)
        let first = words.first.map { $0.hasPrefix("type=") ? String($0.dropFirst(5)) : $0 }
        func isHelp(_ word: String?) -> Bool { word == "help" || word == "?" }
        switch word {
        case .device where isHelp(first): return CardTables.deviceHelp
        case .chardev where isHelp(first):
            return "Available chardev backend types: \n"
                + NetdevTables.chardevKinds.map { "  " + $0 }.joined(separator: "\n")
        case .object where isHelp(first):
            return "List of user creatable objects:\n  filter-dump\n  memory-backend-memfd"
        case .netdev where isHelp(first), .nic where isHelp(first), .net where isHelp(first):
            return NetdevTables.netdevHelp
        case .nic, .net:
            if words.contains(where: { $0 == "model=help" || $0 == "model=?" }) { return CardTables.modelHelp }
        default: break
        }
        guard let first, words.dropFirst().contains(where: isHelp) else { return nil }
        if word == .device { return CardTables.virtioModels[first].map { _ in CardTables.device.help } }
        if word == .object {
            return ["filter-dump": FilterOption.keys, "memory-backend-memfd": NetdevTables.object][first]?.help
        }
        if word == .chardev {
            return ["socket": NetdevTables.socketChardev, "stdio": NetdevTables.standardChardev][first]?.help
        }
        return NetdevTables.keys(of: first)?.help
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
