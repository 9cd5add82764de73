// What to type where a command line has no network: the line itself, with a back-end. A card that has none gets it;
// without a card, card and back-end come in one option.

/// A command line with a network.
struct NetworkAdvice {
    /// `Type: netemu …`, the whole line.
    let line: String
    /// `Add …`, for a line that has other faults, too.
    let addition: String

    /// - Parameter arguments: without a network option.
    init(_ arguments: [String]) {
        var words = arguments
        if let name = words.first, OptionScanner.isProgramName(name) { words.removeFirst() }
        let card = words.indices.dropLast().first { Self.isLonelyCard(words[$0], words[$0 + 1]) }
        guard let card else {
            self.init(["-nic", "passt,vhost-user=on"] + words, "-nic passt,vhost-user=on")
            return
        }
        let isVirtio = Self.model(words[card + 1])?.isVirtio == true
        let netdev = "passt,id=n0" + (isVirtio ? ",vhost-user=on" : "")
        let added = "-netdev \(netdev), and netdev=n0 to \(words[card]) \(words[card + 1])"
        words[card + 1] += ",netdev=n0"
        self.init(["-netdev", netdev] + words, added)
    }

    private init(_ words: [String], _ added: String) {
        line = "Type: " + (["netemu"] + words).map(ShellWord.quoted).joined(separator: " ")
        addition = "Add \(added)"
    }

    private static func isLonelyCard(_ option: String, _ text: String) -> Bool {
        ["-device", "--device"].contains(option) && model(text) != nil
    }

    /// Of a card without a back-end; nil for other devices.
    private static func model(_ text: String) -> CardModel? {
        guard text.utf8.first != UInt8(ascii: "{"), let list = try? DeviceOption.grammar.read(text),
            list["netdev"] == nil
        else { return nil }
        return list["driver"].flatMap { CardModel(named: $0) }
    }
}
