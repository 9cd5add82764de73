// `key=value,key=value`: QEMU's option lists. A comma inside a value is written twice. Three dialects,
// as in QEMU: `.short` (-nic, -netdev, -device, -object, -m: a bare word is a boolean that is on, a word with
// `no` in front is off; the first `id` counts), `.strict` (-netdev stream: every key has a value, dots lead into
// structures) and `.json` (an object: members of members have dotted keys here, too).

/// A parsed list, in typing order, keys may repeat.
public struct KeyValueList: Equatable, Sendable {
    /// One key with its value.
    public struct Pair: Equatable, Sendable {
        /// As it was typed; of JSON with dots between its levels.
        public let key: String
        /// As it was typed, without doubled commas.
        public let value: String
        /// What the value was in JSON; text says nothing of its type.
        public let type: JSONType
        /// A pair of a list that was typed, where nothing else is said.
        public init(_ key: String, _ value: String, type: JSONType = .text) {
            self.key = key
            self.value = value
            self.type = type
        }
    }

    /// The types of JSON, as far as a reader has to tell them apart.
    /// `list` is an element of a list of strings.
    public enum JSONType: Sendable { case text, string, number, boolean, null, list, emptyArray, emptyObject }

    /// How the list is written; the file's first lines say what differs.
    public enum Dialect: Sendable { case short, strict, json }

    /// How it was written.
    public private(set) var dialect = Dialect.short
    /// In typing order.
    public private(set) var pairs: [Pair] = []
    /// Bare words that were read as booleans; QEMU warns of each.
    public private(set) var bareWords: [Pair] = []

    /// A list that nobody typed.
    public init(pairs: [Pair], dialect: Dialect = .short) {
        self.pairs = pairs
        self.dialect = dialect
    }

    /// - Parameter implied: the key of a first word that stands without one, such as `type` in `-netdev user,…`.
    /// - Throws: `OptionError` without a location.
    public init(parsing text: String, implied: String?, dialect: Dialect = .short) throws(OptionError) {
        guard text.utf8.first != UInt8(ascii: "{") else {
            pairs = try Self.pairs(ofJSON: text)
            self.dialect = .json
            return
        }
        self.dialect = dialect
        var rest = Array(text.utf8)[...]
        var isFirst = true
        while !rest.isEmpty {
            let key = Self.take(from: &rest, until: [UInt8(ascii: "="), UInt8(ascii: ",")], doubling: false)
            if rest.first == UInt8(ascii: "=") {
                rest = rest.dropFirst()
                add(Pair(key, Self.takeValue(from: &rest)), dialect)
            } else if isFirst, let implied {
                // The word is a value: what was read as a key may go on after a doubled comma.
                rest = Array(text.utf8)[...]
                pairs.append(Pair(implied, Self.takeValue(from: &rest)))
            } else {
                try addBare(key, dialect)
                rest = rest.dropFirst()
            }
            isFirst = false
        }
        if dialect == .strict { try checkKeys() }
    }

    /// Keys of structures are names with dots between, and nothing is a value and a structure at once.
    private func checkKeys() throws(OptionError) {
        let keys = Set(pairs.map(\.key))
        for pair in pairs {
            let parts = pair.key.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.enumerated().allSatisfy({ Self.isPart($1, isFirst: $0 == 0) }) else {
                throw OptionError("Invalid parameter '\(pair.key)'")
            }
            var outer = ""
            for part in parts.dropLast() {
                outer += (outer.isEmpty ? "" : ".") + part
                if keys.contains(outer) { throw OptionError("Parameters '\(outer).*' used inconsistently") }
            }
        }
    }

    /// A name (a letter, then letters, digits, `-`, `_`), or the number of a list's element.
    private static func isPart(_ part: Substring, isFirst: Bool) -> Bool {
        func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5a).contains(byte & 0xdf) }
        func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
        guard let first = part.utf8.first else { return false }
        if !isFirst, part.utf8.allSatisfy(isDigit) { return true }
        return isLetter(first) && part.utf8.allSatisfy { isLetter($0) || isDigit($0) || "-_".utf8.contains($0) }
    }

    /// In the short way an id is looked for before anything else is read: the first one counts.
    private mutating func add(_ pair: Pair, _ dialect: Dialect) {
        guard dialect != .short || pair.key != "id" || self["id"] == nil else { return }
        pairs.append(pair)
    }

    private mutating func addBare(_ word: String, _ dialect: Dialect) throws(OptionError) {
        guard dialect != .strict else { throw OptionError("Expected '=' after parameter '\(word)'") }
        guard word != "help", word != "?" else {
            pairs.append(Pair(word, ""))
            return
        }
        let isOff = word.utf8.count > 2 && word.hasPrefix("no")
        let pair = isOff ? Pair(String(word.dropFirst(2)), "off") : Pair(word, "on")
        add(pair, dialect)
        bareWords.append(Pair(word, "\(pair.key)=\(pair.value)"))
    }

    private static func takeValue(from rest: inout ArraySlice<UInt8>) -> String {
        take(from: &rest, until: [UInt8(ascii: ",")], doubling: true)
    }

    /// Reads up to one of `stops`. With `doubling`, `,,` is a comma of the value and the stop itself is consumed.
    private static func take(from rest: inout ArraySlice<UInt8>, until stops: [UInt8], doubling: Bool) -> String {
        var taken: [UInt8] = []
        while let byte = rest.first {
            if stops.contains(byte) {
                guard doubling else { break }
                rest = rest.dropFirst()
                guard rest.first == byte else { break }
            }
            taken.append(byte)
            rest = rest.dropFirst()
        }
        return String(decoding: taken, as: UTF8.self)
    }

    /// The last value of `key`: a repeated scalar is overridden, as in QEMU.
    public subscript(key: String) -> String? { pairs.last { $0.key == key }?.value }

    /// Every value of `key`, in order.
    public func all(_ key: String) -> [String] {
        pairs.filter { $0.key == key && $0.type != .emptyArray }.map(\.value)
    }

    /// The list with one more pair behind the others.
    func adding(_ key: String, _ value: String) -> KeyValueList {
        var list = self
        list.pairs.append(Pair(key, value))
        return list
    }

    /// The list without these keys.
    func without(_ keys: String...) -> KeyValueList {
        KeyValueList(pairs: pairs.filter { !keys.contains($0.key) }, dialect: dialect)
    }

    /// What stands at these keys and in structures and lists there.
    func below(_ keys: [String]) -> KeyValueList {
        let found = pairs.filter { keys.contains(String($0.key.prefix { $0 != "." && $0 != "[" })) }
        return KeyValueList(pairs: found, dialect: dialect)
    }

    // MARK: JSON

    private static func pairs(ofJSON text: String) throws(OptionError) -> [Pair] {
        let value: JSONValue?
        do throws(JSONError) { value = try JSONReader.read(text) } catch { throw OptionError("\(error)") }
        guard case .object(let members)? = value else { throw OptionError("Expecting at most one JSON value") }
        var pairs: [Pair] = []
        try flatten(members, below: "", into: &pairs)
        return pairs
    }

    /// Depth is bounded by the reader's.
    private static func flatten(_ value: JSONValue, as key: String, into pairs: inout [Pair]) throws(OptionError) {
        switch value {
        case .null: pairs.append(Pair(key, "", type: .null))
        case .boolean(let isOn): pairs.append(Pair(key, isOn ? "on" : "off", type: .boolean))
        case .number(let text): pairs.append(Pair(key, text, type: .number))
        case .string(let text): pairs.append(Pair(key, text, type: .string))
        case .array([]): pairs.append(Pair(key, "", type: .emptyArray))
        case .array(let values):
            for (index, element) in values.enumerated() {
                if let text = listedString(element) {
                    pairs.append(Pair(key, text, type: .list))
                } else {
                    try flatten(element, as: "\(key)[\(index)]", into: &pairs)
                }
            }
        case .object([]): pairs.append(Pair(key, "", type: .emptyObject))
        case .object(let members): try flatten(members, below: key + ".", into: &pairs)
        }
    }

    private static func flatten(
        _ members: [JSONMember], below prefix: String, into pairs: inout [Pair]
    ) throws(OptionError) {
        for member in members {
            // No key of QEMU's has them; here they would look like a member of a member.
            guard !member.name.utf8.contains(where: { ".[]".utf8.contains($0) }) else {
                throw OptionError("Parameter '\(prefix)\(member.name)' is unexpected")
            }
            try flatten(member.value, as: prefix + member.name, into: &pairs)
        }
    }

    /// QEMU's lists of strings: objects with one member, str.
    private static func listedString(_ element: JSONValue) -> String? {
        guard case .object(let members) = element, members.count == 1, members[0].name == "str",
            case .string(let text) = members[0].value
        else { return nil }
        return text
    }

    /// The list as text that parses to the same list.
    public var text: String {
        pairs.map { pair in
            // Bytes, not characters: a combining mark behind a comma joins it.
            let value = pair.value.utf8.flatMap { $0 == 0x2c ? [0x2c, 0x2c] : [$0] }
            return "\(pair.key)=" + String(decoding: value, as: UTF8.self)
        }.joined(separator: ",")
    }
}
