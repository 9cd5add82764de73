// What a monitor line can go on with when Tab is pressed.

enum Completion {
    struct Candidates: Equatable {
        /// The word that is being typed.
        let stem: String
        let matches: [String]
    }

    /// - Parameters:
    ///   - text: the line up to the cursor.
    ///   - names: what there is of each kind.
    static func candidates(for text: String, names: (MonitorParameter.Names) -> [String]) -> Candidates {
        var words = text.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
        let stem = text.isEmpty || text.hasSuffix(" ") ? "" : words.popLast() ?? ""
        if words.first == "help" || words.first == "?" { words.removeFirst() }
        return Candidates(stem: stem, matches: all(after: words, names).filter { $0.hasPrefix(stem) })
    }

    /// Every word that can follow `words`.
    private static func all(after words: [String], _ names: (MonitorParameter.Names) -> [String]) -> [String] {
        var table = CommandTable.commands
        for (index, word) in words.enumerated() {
            guard let command = CommandTable.find(word, in: table) else { return [] }
            guard command.subcommands.isEmpty else {
                table = command.subcommands
                continue
            }
            return argument(index: words.count - index - 1, of: command, names)
        }
        return table.flatMap(\.names)
    }

    private static func argument(
        index: Int, of command: MonitorCommand, _ names: (MonitorParameter.Names) -> [String]
    ) -> [String] {
        guard command.parameters.indices.contains(index) else { return [] }
        switch command.parameters[index] {
        case .word(let kind), .optionalWord(let kind), .rest(let kind): return names(kind)
        case .onOff: return ["on", "off"]
        }
    }

    static func commonPrefix(_ words: [String]) -> String? {
        guard var common = words.first else { return nil }
        for word in words {
            while !word.hasPrefix(common) { common.removeLast() }
        }
        return common
    }
}
