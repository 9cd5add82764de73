// Words and paths as the system has them are bytes, and a String is Unicode. At this border nothing is lost: a byte
// that is not part of valid UTF-8 becomes one of the 128 characters U+10FF80 to U+10FFFF, which mean nothing else, and
// becomes that byte again on the way out. A path that holds such a character itself is taken byte by byte, so that every
// sequence of bytes comes back as it was.

extension String {
    /// A word of argv, the environment or a directory, without its final zero.
    public init(systemBytes bytes: some Collection<UInt8>) {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count)
        var rest = bytes.makeIterator()
        var parser = Unicode.UTF8.ForwardParser()
        var pending = Array(bytes)[...]
        parsing: while true {
            switch parser.parseScalar(from: &rest) {
            case .valid(let scalar):
                let piece = pending.prefix(scalar.count)
                text += Self.isStandIn(piece) ? piece.flatMap(Self.standIn) : Array(piece)
                pending = pending.dropFirst(scalar.count)
            case .error(let length):
                text += pending.prefix(length).flatMap(Self.standIn)
                pending = pending.dropFirst(length)
            case .emptyInput: break parsing
            }
        }
        self = String(decoding: text, as: UTF8.self)
    }

    /// The same for a word that ends with a zero byte.
    public init(systemText word: UnsafePointer<CChar>) {
        var length = 0
        while word[length] != 0 { length += 1 }
        self.init(systemBytes: UnsafeRawBufferPointer(start: word, count: length))
    }

    /// The bytes that the system knows this text by.
    public var systemBytes: [UInt8] {
        let bytes = Array(utf8)
        guard bytes.contains(Self.lead) else { return bytes }
        var found: [UInt8] = []
        var rest = bytes[...]
        while let byte = rest.first {
            let piece = rest.prefix(4)
            if Self.isStandIn(piece), let last = piece.last {
                found.append((piece[piece.startIndex + 2] & 1) << 6 | 0x80 | last & 0x3f)
                rest = rest.dropFirst(4)
            } else {
                found.append(byte)
                rest = rest.dropFirst()
            }
        }
        return found
    }

    /// For a call that takes a path: the bytes and a zero.
    public var systemPath: [CChar] { systemBytes.map { CChar(bitPattern: $0) } + [0] }

    /// The first byte of all of U+100000 to U+10FFFF.
    private static let lead: UInt8 = 0xf4

    /// F4 8F BE 80 to F4 8F BF BF: U+10FF80 to U+10FFFF.
    private static func isStandIn(_ piece: ArraySlice<UInt8>) -> Bool {
        piece.count == 4 && Array(piece.prefix(2)) == [lead, 0x8f] && piece[piece.startIndex + 2] & 0xfe == 0xbe
    }

    private static func standIn(_ byte: UInt8) -> [UInt8] { [lead, 0x8f, 0xbe | (byte >> 6) & 1, 0x80 | byte & 0x3f] }
}
