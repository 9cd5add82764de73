// When which name is asked again: after a pause that doubles each time. Pure: time is counted in steps by its owner.

/// Names that did not answer, and when each is due.
struct RetrySchedule {
    /// The longest pause, in steps.
    static let longestPause = 100

    private struct Entry {
        var pause = 0
        /// nil while it is being asked.
        var due: Int?
    }

    private var entries: [String: Entry] = [:]
    /// By step; a name whose entry says another step is not meant.
    private var due: [Int: [String]] = [:]

    /// The next step at which a name may be due; nil when there is none.
    var next: Int? { due.keys.min() }
    /// Names that are due at some time.
    var count: Int { entries.count }

    /// A name that has appeared: it is due at `step`. One that waits already begins anew.
    mutating func appeared(_ name: String, at step: Int) { put(name, Entry(due: step), step) }

    /// The names that are due at `step`; each is to be put back with `failed`, or to be forgotten.
    mutating func take(at step: Int) -> [String] {
        var names: [String] = []
        for key in due.keys.filter({ $0 <= step }).sorted() {
            for name in due.removeValue(forKey: key) ?? [] where entries[name]?.due == key {
                entries[name]?.due = nil
                names.append(name)
            }
        }
        return names
    }

    /// The name did not answer.
    mutating func failed(_ name: String, at step: Int) {
        let pause = min(Self.longestPause, max(1, (entries[name]?.pause ?? 0) * 2))
        put(name, Entry(pause: pause, due: step + pause), step + pause)
    }

    /// The name is gone.
    mutating func forget(_ name: String) { entries[name] = nil }

    private mutating func put(_ name: String, _ entry: Entry, _ step: Int) {
        let isThere = entries[name]?.due == step
        entries[name] = entry
        if !isThere { due[step, default: []].append(name) }
    }
}
