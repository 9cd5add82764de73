// passt's command line as getopt_long(3) reads it (passt 2026_07_28; "+": it stops at the first word
// that is no option), and which of its options break supervision. One table for `param=` and for the
// minder's check of a whole command line.

/// Options of passt's that matter here.
enum PasstArgument {
    /// An option that must not be given, with the reason; or nil.
    struct Refusal: Equatable {
        let word: String
        let reason: String
    }

    private struct Row {
        let name: String
        let takesValue: Bool
        let reason: String?
    }

    private static let ownSocket = "netemu makes passt's socket itself"
    private static let supervised = "netemu supervises passt in the foreground"
    private static let prints = "passt would print it and end"

    /// Options that are refused. `=` behind a name: it takes a value.
    private static let refused: [(name: String, letter: Character?, reason: String)] = [
        ("socket=", "s", ownSocket), ("socket-path=", nil, ownSocket), ("fd=", "F", ownSocket),
        ("one-off", "1", "passt would end with the first connection"), ("foreground", "f", supervised),
        ("pid=", "P", supervised), ("repair-path=", nil, "the repair socket lies beside passt's socket"),
        ("vhost-user", nil, "say vhost-user=on instead"), ("help", "h", prints), ("version", nil, prints),
        ("print-capabilities", nil, prints),
    ]

    /// The others: all long names, because an abbreviation may mean any of them.
    private static let accepted = """
        debug quiet stderr log-file= log-size= ns-ifname= pcap= mtu= address= netmask= mac-addr= gateway= interface= \
        outbound= dns= search= hostname= no-tcp no-udp no-icmp no-dhcp no-dhcpv6 no-ndp no-ra no-splice splice-only \
        freebind no-map-gw ipv4-only ipv6-only tcp-ports= udp-ports= tcp-ns= udp-ns= userns= netns= ns-mac-addr= \
        no-dhcp-dns no-dhcp-search dns-forward= no-netns-quit trace runas= outbound-if4= outbound-if6= config-net \
        no-copy-routes no-copy-addrs netns-only map-host-loopback= map-guest-addr= host-lo-to-ns-lo dns-host= fqdn= \
        migrate-exit migrate-no-linger stats= conf-path= chroot-fallback
        """

    /// Options whose value is the name of a file, which is whoever's who typed it.
    private static let files: [(name: String, letter: Character?)] = [
        ("log-file", "l"), ("pcap", "p"), ("conf-path", "c"),
    ]

    /// Letters that take a value; the rest of their word, or the next word.
    private static let valueLetters = Set("lscFIpPmanMgioDSHtuTU")

    private static let rows: [Row] =
        refused.map { row($0.name, reason: $0.reason) }
        + accepted.split(separator: " ").map { row(String($0), reason: nil) }

    private static func row(_ name: String, reason: String?) -> Row {
        let takesValue = name.hasSuffix("=")
        return Row(name: takesValue ? String(name.dropLast()) : name, takesValue: takesValue, reason: reason)
    }

    /// The first of `words` that must not stand in `param=`.
    static func refusal(in words: [String]) -> Refusal? {
        var index = 0
        while index < words.count {
            let word = words[index]
            index += 1
            let reading = word.hasPrefix("--") ? readLong(word) : readShort(word)
            if let reason = reading.reason { return Refusal(word: word, reason: reason) }
            guard reading.wantsNextWord else { continue }
            guard index < words.count else {
                return Refusal(word: word, reason: "it needs a value: add another param= with it")
            }
            index += 1
        }
        return nil
    }

    /// `words`, with each relative name of a file as seen from `directory`: passt itself runs elsewhere.
    static func resolved(_ words: [String], in directory: String) -> [String] {
        var result: [String] = []
        var index = 0
        while index < words.count {
            let word = words[index]
            index += 1
            let reading = word.hasPrefix("--") ? readLong(word) : readShort(word)
            guard reading.namesFile else {
                result.append(word)
                if reading.wantsNextWord, index < words.count { result.append(words[index]) }
                index += reading.wantsNextWord ? 1 : 0
                continue
            }
            guard reading.wantsNextWord else {
                let value = String(word.dropFirst(reading.option.count))
                result.append(reading.option + whole(value, directory))
                continue
            }
            result.append(word)
            if index < words.count { result.append(whole(words[index], directory)) }
            index += 1
        }
        return result
    }

    private static func whole(_ path: String, _ directory: String) -> String {
        path.isEmpty || path.utf8.first == UInt8(ascii: "/") ? path : "\(directory)/\(path)"
    }

    private struct Reading {
        var reason: String?
        var wantsNextWord = false
        /// Its value is the name of a file; without a word of its own it stands behind `option`.
        var namesFile = false
        var option = ""
    }

    /// `--name`, `--name=value`, or an abbreviation. What passt itself will refuse is left to passt.
    private static func readLong(_ word: String) -> Reading {
        let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = parts.first.map(String.init) ?? ""
        guard !name.isEmpty else { return Reading(reason: "it ends the options, and netemu's own come last") }
        let exact = rows.filter { $0.name == name }
        let matches = exact.isEmpty ? rows.filter { $0.name.hasPrefix(name) } : exact
        if let found = matches.first(where: { $0.reason != nil }) {
            return Reading(
                reason: found.name == name ? found.reason : "it means --\(found.name): \(found.reason ?? "")")
        }
        let meant = exact.isEmpty && matches.count > 1 ? nil : matches.first
        return Reading(
            wantsNextWord: parts.count == 1 && matches.first?.takesValue == true,
            namesFile: files.contains { $0.name == meant?.name }, option: "--\(name)=")
    }

    /// `-x`, `-xyz`, `-xVALUE`.
    private static func readShort(_ word: String) -> Reading {
        guard word.hasPrefix("-"), word.count > 1 else {
            return Reading(reason: "it is no option, and passt stops at the first such word")
        }
        for (offset, letter) in word.enumerated().dropFirst() {
            if let found = refused.first(where: { $0.letter == letter }) { return Reading(reason: found.reason) }
            guard valueLetters.contains(letter) else { continue }
            return Reading(
                wantsNextWord: offset == word.count - 1, namesFile: files.contains { $0.letter == letter },
                option: String(word.prefix(offset + 1)))
        }
        return Reading()
    }
}

/// Which command lines the minder may start passt with.
public enum PasstCommandLine {
    /// Why `arguments` (argv without its first word) are not one of netemu's; nil when they are.
    public static func objection(_ arguments: [String]) -> String? {
        guard arguments.count >= 5 else { return "passt without files of its own" }
        let own = arguments.suffix(5)
        let words = Array(own)
        let stem = words[2].hasSuffix(".sock") ? String(words[2].dropLast(5)) : ""
        guard let files = PasstFiles(name: stem), files.arguments == words else { return "passt with files elsewhere" }
        let rest = arguments.dropFirst(arguments.first == "--vhost-user" ? 1 : 0).dropLast(5)
        guard let refusal = PasstArgument.refusal(in: Array(rest)) else { return nil }
        return "passt with \(refusal.word): \(refusal.reason)"
    }
}
