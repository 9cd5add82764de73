// A browser can be brought to send a request to any TCP port of its own host: a page anywhere in the web can so type
// into a monitor that listens there. Its first line is a request line (RFC 9112, 3), and no user types one. Pure.

/// Looks at the first line that a client sends.
struct RequestLine {
    /// RFC 9110, 9.1 and RFC 5789.
    private static let methods: Set<String> = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ]
    private static let longestWord = 8
    private static let version = Array("HTTP/".utf8)

    private var isFirstLine = true
    /// The first word as far as it matters, and what stands behind the last blank.
    private var first: [UInt8] = []
    private var last: [UInt8] = []
    private var wordCount = 0
    private var isInWord = false

    /// Whether the first line, which may come in pieces, ends in `bytes` and is a request's.
    mutating func isRequest(_ bytes: some Sequence<UInt8>) -> Bool {
        guard isFirstLine else { return false }
        for byte in bytes {
            switch byte {
            case 10, 13:
                if endLine() { return true }
                guard isFirstLine else { return false }
            case 0x20, 0x09: isInWord = false
            default: add(byte)
            }
        }
        return false
    }

    private mutating func add(_ byte: UInt8) {
        if !isInWord {
            wordCount += 1
            last = []
        }
        isInWord = true
        if wordCount == 1, first.count <= Self.longestWord { first.append(byte) }
        if last.count < Self.version.count { last.append(byte) }
    }

    /// An empty line is none.
    private mutating func endLine() -> Bool {
        isInWord = false
        guard wordCount > 0 else { return false }
        isFirstLine = false
        let word = String(decoding: first, as: UTF8.self)
        // A first line that is a header is what remains of a request whose own first line was lost.
        return wordCount > 1 && (last == Self.version || Self.methods.contains(word) || word.lowercased() == "host:")
    }
}
