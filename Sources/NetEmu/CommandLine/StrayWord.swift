// A word where an option is expected: what it probably stands for, and what to type instead. QEMU takes it for a disk
// image.

/// A word that is no option.
struct StrayWord {
    /// What is said of it.
    let error: OptionError
    /// How many words behind it belong to it.
    private(set) var followers = 0

    /// What starts other programs, in front of a line that was pasted with it.
    private static let starters = ["sudo", "doas", "env", "exec", "nohup", "time"]

    /// nil for an option.
    init?(at place: Int, of arguments: [String]) {
        let word = arguments[place]
        guard !word.hasPrefix("-") || word == "-" else { return nil }
        let rest = arguments[(place + 1)...]
        if word.isEmpty {
            error = Self.noOption("''", "An empty word: is it a variable of the shell that is empty?")
        } else if let whole = Self.whole(word, rest, isFirst: place == 0) {
            error = Self.noOption(word, "Type: \(whole)")
            followers = 1
        } else if word == "run" {
            let script = rest.first.flatMap { $0.hasPrefix("-") ? nil : $0 }
            error = Self.noOption(word, "Type: netemu -nic passt -guest \(Self.task(script))")
            followers = script == nil ? 0 : 1
        } else if let meant = Self.meant(by: word) {
            error = Self.noOption(word, "Type: \(meant)")
        } else {
            error = .lack(
                at: word, "a disk image needs -guest qemu, which is not supported yet", hints: [OptionMeaning.leaveOut])
        }
    }

    private static func noOption(_ word: String, _ hint: String) -> OptionError {
        OptionError(at: word, "this is no option", hints: [hint])
    }

    /// The line to type for `sudo qemu-system-x86_64 …` behind `netemu`.
    private static func whole(_ word: String, _ rest: ArraySlice<String>, isFirst: Bool) -> String? {
        guard isFirst, starters.contains(word), let name = rest.first, OptionScanner.isProgramName(name) else {
            return nil
        }
        return ([word, "netemu"] + rest.dropFirst()).map(ShellWord.quoted).joined(separator: " ")
    }

    private static func task(_ script: String?) -> String {
        guard let script else { return "node,run='…'" }
        let parts = script.split(separator: ",", omittingEmptySubsequences: false)
        return "node,run=" + ShellWord.quoted(parts.joined(separator: ",,"))
    }

    /// Words that a user may think are netemu's.
    private static func meant(by word: String) -> String? {
        if ["help", "version", "completion"].contains(word) { return "netemu -\(word)" }
        if NetdevKinds.isKnown(word) { return "netemu -nic \(word)" }
        return GuestOption.names.contains(word) ? "netemu -nic passt -guest \(word)" : nil
    }
}
