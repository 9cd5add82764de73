// What a monitor line can go on with when Tab is pressed: words of the table, names of what there is, keys of lists.

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
        let isHelp = words.first == "help" || words.first == "?"
        if isHelp { words.removeFirst() }
        let all = isHelp ? self.words(after: words) ?? [] : all(after: words, stem, names)
        let matches = Set(all.filter { $0.hasPrefix(stem) })
        return Candidates(stem: stem, matches: matches.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    }

    /// Names of commands that can follow `path`; nil when its last word takes arguments.
    private static func words(after path: [String]) -> [String]? {
        var table = CommandTable.words
        for name in path {
            guard let word = CommandTable.find(name, in: table), !word.below.isEmpty else { return nil }
            table = word.below
        }
        return table.flatMap(\.names)
    }

    /// Every word that can follow `words`.
    private static func all(
        after words: [String], _ stem: String, _ names: (MonitorParameter.Names) -> [String]
    ) -> [String] {
        var table = CommandTable.words
        for (index, name) in words.enumerated() {
            guard let word = CommandTable.find(name, in: table) else { return [] }
            guard word.below.isEmpty else {
                table = word.below
                continue
            }
            let place = words.count - index - 1
            guard word.parameters.indices.contains(place) else { return [] }
            return values(of: word.parameters[place], stem, names)
        }
        return table.flatMap(\.names)
    }

    private static func values(
        of parameter: MonitorParameter, _ stem: String, _ names: (MonitorParameter.Names) -> [String]
    ) -> [String] {
        if let grammar = parameter.grammar { return grammar.continuations(of: stem) }
        return parameter.kind == .onOff ? ["on", "off"] : names(parameter.names)
    }

    /// The lines that show `words`, in columns as QEMU's readline.c prints them.
    static func columns(_ words: [String]) -> [String] {
        let width = min(max((words.map(\.utf8.count).max() ?? 0) + 2, 10), lineWidth)
        let perLine = lineWidth / width
        return stride(from: 0, to: words.count, by: perLine).map { start in
            words[start..<min(start + perLine, words.count)].map { word in
                word + String(repeating: " ", count: max(0, width - word.utf8.count))
            }.joined()
        }
    }

    private static let lineWidth = 80

    static func commonPrefix(_ words: [String]) -> String? {
        guard var common = words.first else { return nil }
        for word in words {
            while !word.hasPrefix(common) { common.removeLast() }
        }
        return common
    }
}

extension ListGrammar {
    /// What a list that begins with `text` can be: its first word, or the next key.
    func continuations(of text: String) -> [String] {
        guard let end = text.lastIndex(of: ",") else { return firstWords }
        let done = text[...end]
        let typed = text.prefix { $0 != "," }
        let head = typed.hasPrefix("\(implied)=") ? typed.dropFirst(implied.count + 1) : typed
        let table = heads.first { $0.word == head }?.keys ?? keys
        return (shared + (table?.known.map(\.name) ?? [])).map { "\(done)\($0)=" }
    }
}
