// Everything that stands in the way of a command line: what netemu does not have, all of it, and the first mistake,
// which is where QEMU would have stopped. A user sees in one run what is to be changed.

/// What was found wrong with a command line.
struct Obstacles {
    private var found: [(place: Int, error: OptionError)] = []
    private(set) var hasMistake = false
    /// Ids that would have been there: what only misses one of these is no obstacle of its own.
    private(set) var missing: Set<String> = []

    var isEmpty: Bool { found.isEmpty }

    /// - Parameter place: of the option on the command line.
    mutating func add(_ error: OptionError, at place: Int) {
        guard error.isLack || !hasMistake else { return }
        hasMistake = hasMistake || !error.isLack
        guard !found.contains(where: { $0.error == error }) else { return }
        found.append((place, error))
    }

    /// An option that cannot be carried out, with its list.
    mutating func add(_ error: OptionError, of parsed: ParsedOption) {
        let isConsequence = !error.isLack && mentionsMissing(parsed.list)
        if let id = parsed.list["id"] { missing.insert(id) }
        if !isConsequence { add(error.located(at: parsed.option.location), at: parsed.option.place) }
    }

    /// A list that cannot even be read, or is of no option that is carried out: its id may be awaited elsewhere.
    mutating func miss(idsIn text: String?) {
        guard let text, let list = try? KeyValueList(parsing: text, implied: nil), let id = list["id"] else { return }
        missing.insert(id)
    }

    private func mentionsMissing(_ list: KeyValueList) -> Bool {
        list.pairs.contains { $0.key != "id" && missing.contains($0.value) }
    }

    /// All of it as one error; nil when nothing is in the way.
    var error: OptionError? {
        let ordered = found.enumerated().sorted { ($0.element.place, $0.offset) < ($1.element.place, $1.offset) }
            .map(\.element.error)
        guard var first = ordered.first else { return nil }
        first.further = Array(ordered.dropFirst())
        return first
    }
}
