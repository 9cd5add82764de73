// A peer's bytes on their way to the user's terminal: nothing a server writes into a message or a head may move the
// cursor or turn the text around. What is shown of such bytes is RFC 1035's `\DDD` (5.1), as in names.

/// `text` with control characters and direction marks as `\DDD`, a byte each.
func printable(_ text: some StringProtocol) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        if isSteering(scalar) {
            for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter {
                result += escape(byte).unicodeScalars
            }
        } else {
            result.append(scalar)
        }
    }
    return String(result)
}

/// A response's head for a terminal: its lines, tabs and text in any 8-bit coding stay, what steers a terminal is
/// escaped. `bytes` itself when there is nothing to escape.
func printable(head bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var rest = bytes[...]
    while let first = rest.first {
        let (scalar, length) = scalar(at: rest)
        let isSafe = scalar.map { "\t\r\n".unicodeScalars.contains($0) || !isSteering($0) } ?? (first >= 0xa0)
        let piece = rest.prefix(length)
        if isSafe { result += piece } else { for byte in piece { result += escape(byte).utf8 } }
        rest = rest.dropFirst(length)
    }
    return result
}

/// Control characters of both sets, and marks that change the direction of what follows.
private func isSteering(_ scalar: UnicodeScalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7f..<0xa0, 0x200e...0x200f, 0x202a...0x202e, 0x2066...0x2069: true
    default: false
    }
}

private func escape(_ byte: UInt8) -> String { "\\" + zeroPadded(byte, to: 3) }

/// The character at the start of `bytes` and its length; nil and 1 where that is no UTF-8.
private func scalar(at bytes: ArraySlice<UInt8>) -> (UnicodeScalar?, length: Int) {
    var iterator = bytes.prefix(4).makeIterator()
    var decoder = UTF8()
    guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { return (nil, 1) }
    return (scalar, UTF8.width(scalar))
}
