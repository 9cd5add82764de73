// The value of an option that is a list: `[IMPLIED=]HEAD,key=value,…`. What it can begin with, the keys behind each
// beginning, whose id it holds. Reading, `help`, completion and the monitor's commands go by one value.

/// How an option's list is read.
struct ListGrammar: Sendable {
    /// A word that the list can begin with, and the keys behind it.
    struct Head: Sendable {
        let word: String
        let keys: KeyTable
        init(_ word: String, _ keys: KeyTable) {
            self.word = word
            self.keys = keys
        }
    }

    /// Whose `id` is looked at before anything is made: it has a legal form, and stands once among those of the
    /// same option.
    enum Identity: Sendable {
        case none, always
        /// Of lists that are read the short way; of the others, whoever makes things looks at it.
        case short
    }

    /// Where, within its phase, a list stands that is not read the short way.
    enum Precedence: Int, Sendable { case first, typed, last }

    typealias Reader = @Sendable (String) throws(OptionError) -> KeyValueList

    /// The key of a first word that stands without one.
    let implied: String
    var heads: [Head] = []
    /// Keys that stand behind every head.
    var shared: [String] = []
    /// Words that say everything: `none`.
    var alone: [String] = []
    /// The keys of a list that has no heads, or a head of no table of its own.
    var keys: KeyTable?
    var identity = Identity.none
    var structured = Precedence.typed
    /// What `help` shows in place of a head; nil where it is no word.
    var overview: String?
    /// nil: the short way, or JSON.
    var reader: Reader?
    /// What is looked at where the option stands, before any option takes effect. What is made later is looked at then.
    var check: (@Sendable (KeyValueList) throws(OptionError) -> Void)?

    /// A list of plain keys, which are looked at where the option stands.
    static func checked(
        implied: String, shared: [String] = [], _ keys: KeyTable, identity: Identity = .none
    ) -> ListGrammar {
        var grammar = ListGrammar(implied: implied, shared: shared, keys: keys, identity: identity)
        grammar.check = { list throws(OptionError) in
            _ = try keys.read(
                KeyValueList(pairs: list.pairs.filter { !shared.contains($0.key) }, dialect: list.dialect))
        }
        return grammar
    }

    func read(_ text: String) throws(OptionError) -> KeyValueList {
        if let reader { return try reader(text) }
        return try KeyValueList(parsing: text, implied: implied)
    }

    /// The id of a list, as far as it is looked at before anything is made.
    /// - Throws: when it has no legal form.
    func id(of list: KeyValueList) throws(OptionError) -> String? {
        guard identity == .always || identity == .short && list.dialect == .short, let id = list["id"] else {
            return nil
        }
        return try Value.identifier(id)
    }

    /// The keys of a list, as far as its head has a table.
    func table(of list: KeyValueList) -> KeyTable? {
        let head = list[implied]
        return heads.first { $0.word == head }?.keys ?? keys
    }

    /// What the list can begin with.
    var firstWords: [String] {
        let own = heads.isEmpty ? keys?.known.map { "\($0.name)=" } ?? [] : heads.map(\.word)
        return own + alone + (overview == nil ? [] : ["help"])
    }

    /// What `help` in the list, or in place of it, asks for; nil when it asks for nothing.
    func help(_ text: String) -> String? {
        guard text.utf8.first != UInt8(ascii: "{") else { return nil }
        func isHelp(_ word: String?) -> Bool { word == "help" || word == "?" }
        let words = text.split(separator: ",").map(String.init)
        let first = words.first.map { $0.hasPrefix("\(implied)=") ? String($0.dropFirst(implied.utf8.count + 1)) : $0 }
        if let overview, isHelp(first) { return overview }
        guard let first, words.dropFirst().contains(where: isHelp) else { return nil }
        return heads.first { $0.word == first }?.keys.help
    }
}
