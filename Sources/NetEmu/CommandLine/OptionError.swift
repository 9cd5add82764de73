// What a refused command line says. One sentence in QEMU's form, `netemu: -option as typed: text`,
// and suggestions on lines of their own. Nothing here decides what is refused.

/// A command line that cannot be run.
public struct OptionError: Error, Equatable, Sendable {
    /// The option as the user typed it, such as `-netdev user,id=x`; nil when it is not known yet, empty when no single
    /// option is at fault.
    public let location: String?
    /// What is wrong, with the value and what is accepted.
    public let text: String
    /// What does not come about because of that; QEMU says it in a sentence of its own.
    public let consequence: String?
    /// Whole lines that follow the sentence: what to type instead.
    public let hints: [String]
    /// The line is no mistake: QEMU would take it, and netemu does not have what it asks for.
    public private(set) var isLack = false
    /// What else stands in the way of the same command line, in typing order.
    public internal(set) var further: [OptionError] = []

    /// - Parameters:
    ///   - location: the option as typed; nil where its reader does not know it.
    ///   - hints: lines behind the sentence.
    public init(at location: String? = nil, _ text: String, consequence: String? = nil, hints: [String] = []) {
        self.location = location
        self.text = text
        self.consequence = consequence
        self.hints = hints
    }

    /// Something that netemu does not have.
    static func lack(at location: String? = nil, _ text: String, hints: [String] = []) -> OptionError {
        var error = OptionError(at: location, text, hints: hints)
        error.isLack = true
        return error
    }

    /// The same error, said of `location` unless it already names one.
    func located(at location: String) -> OptionError {
        guard self.location == nil else { return self }
        var error = OptionError(at: location, text, consequence: consequence, hints: hints)
        error.isLack = isLack
        error.further = further
        return error
    }

    /// The same error with what does not come about because of it.
    func adding(consequence: String?) -> OptionError {
        var error = OptionError(at: location, text, consequence: consequence ?? self.consequence, hints: hints)
        error.isLack = isLack
        return error
    }

    /// The lines for stderr, without their last line end.
    public var message: String { messages.joined(separator: "\n") }

    /// One for each thing that stands in the way.
    var messages: [String] {
        let place = location.map { $0.isEmpty ? "" : "\($0): " } ?? ""
        let sentences = [text] + (consequence.map { [$0] } ?? [])
        let own = (sentences.map { "netemu: \(place)\($0)" } + hints).joined(separator: "\n")
        return [own] + further.flatMap(\.messages)
    }
}

/// Finds the word of a table that was probably meant.
enum Suggestion {
    /// The nearest of `words` to `typed`, when it is near enough to be a slip of the fingers.
    static func nearest(to typed: String, among words: [String]) -> String? {
        let limit = typed.utf8.count <= 4 ? 1 : 2
        guard typed.utf8.count <= 64 else { return nil }
        let scored = words.map { (distance(Array(typed.utf8), Array($0.utf8)), $0) }
        guard let best = scored.min(by: { $0.0 < $1.0 }), best.0 <= limit else { return nil }
        return best.1
    }

    /// Edits (insert, delete, replace) between two words.
    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
}
