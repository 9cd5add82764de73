// Numbers and sizes of options, as C's strtoll and strtod read them, on which QEMU builds: an octal number has a zero
// in front, blanks and a sign may stand before the digits, and nothing may follow them.

extension Value {
    static let sizeHints = [
        "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-",
        "and exabytes, respectively.",
    ]

    /// A number of base 0: 0x is hexadecimal, 0b binary, 0 octal. nil for what is none, or has more than 64 bits.
    static func magnitude(_ text: String) -> (isNegative: Bool, value: UInt64)? {
        var rest = afterSpace(text)
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        guard let first = rest.first, isDigit(first) else { return nil }
        let (digits, radix) = based(rest)
        // UInt64(_:radix:) takes a sign of its own.
        guard let head = digits.first, head != UInt8(ascii: "+"), head != UInt8(ascii: "-"),
            let value = UInt64(String(decoding: digits, as: UTF8.self), radix: radix)
        else { return nil }
        return (isNegative, value)
    }

    /// Digits of base 0 that come to more than 64 bits, and nothing else.
    static func isTooLarge(_ text: String) -> Bool {
        var rest = afterSpace(text)
        if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest = rest.dropFirst() }
        guard let first = rest.first, isDigit(first), magnitude(text) == nil else { return false }
        let (digits, radix) = based(rest)
        return !digits.isEmpty
            && digits.allSatisfy { byte in
                Int(String(decoding: [byte], as: UTF8.self), radix: radix) != nil
            }
    }

    private static func based(_ digits: ArraySlice<UInt8>) -> (ArraySlice<UInt8>, Int) {
        guard digits.first == UInt8(ascii: "0"), digits.count > 1 else { return (digits, 10) }
        switch digits.dropFirst().first {
        case UInt8(ascii: "x"), UInt8(ascii: "X"): return (digits.dropFirst(2), 16)
        case UInt8(ascii: "b"), UInt8(ascii: "B"): return (digits.dropFirst(2), 2)
        default: return (digits.dropFirst(), 8)
        }
    }

    /// C's isspace in front is skipped.
    private static func afterSpace(_ text: String) -> ArraySlice<UInt8> {
        Array(text.utf8)[...].drop { $0 == 0x20 || (9...13).contains($0) }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    static func plainInteger(_ text: String) -> Int64? {
        guard let (isNegative, value) = magnitude(text) else { return nil }
        guard isNegative else { return Int64(exactly: value) }
        return value <= UInt64(1) << 63 ? Int64(truncatingIfNeeded: 0 &- value) : nil
    }

    /// What a size comes to.
    enum Size: Equatable {
        case bytes(UInt64)
        case outOfRange, malformed
    }

    /// Bytes, for the options that QEMU checks with this sentence.
    static func size(_ text: String, key: String) throws(OptionError) -> UInt64 {
        switch readSize(text) {
        case .bytes(let bytes): return bytes
        case .outOfRange: throw OptionError("Value '\(text)' is out of range for parameter '\(key)'")
        case .malformed:
            throw OptionError("Parameter '\(key)' expects a non-negative number below 2^64", hints: sizeHints)
        }
    }

    static func plainSize(_ text: String) -> UInt64? {
        if case .bytes(let bytes) = readSize(text) { bytes } else { nil }
    }

    /// A number, whole or with a fraction, with one of the suffixes B k M G T P E in either case; hexadecimal is whole
    /// and takes no suffix.
    static func readSize(_ text: String) -> Size {
        var rest = afterSpace(text)
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        let size: Size
        if rest.starts(with: "0x".utf8) || rest.starts(with: "0X".utf8) {
            size = hexadecimalSize(rest.dropFirst(2))
        } else {
            size = decimalSize(rest)
        }
        guard isNegative, case .bytes = size else { return size }
        return .outOfRange
    }

    private static func hexadecimalSize(_ digits: ArraySlice<UInt8>) -> Size {
        guard !digits.isEmpty, digits.allSatisfy({ isDigit($0) || (0x61...0x66).contains($0 | 0x20) }) else {
            return .malformed
        }
        return UInt64(String(decoding: digits, as: UTF8.self), radix: 16).map { .bytes($0) } ?? .outOfRange
    }

    private static func decimalSize(_ text: ArraySlice<UInt8>) -> Size {
        let whole = text.prefix(while: isDigit)
        var rest = text.dropFirst(whole.count)
        var fraction: ArraySlice<UInt8>?
        if rest.first == UInt8(ascii: ".") {
            let digits = rest.dropFirst().prefix(while: isDigit)
            fraction = digits
            rest = rest.dropFirst(1 + digits.count)
        }
        guard !whole.isEmpty || fraction?.isEmpty == false, rest.count <= 1 else { return .malformed }
        let power = rest.first.map { suffix in "bkmgtpe".utf8.firstIndex(of: suffix | 0x20) } ?? nil
        guard rest.isEmpty || power != nil else { return .malformed }
        let exponent = power.map { "bkmgtpe".utf8.distance(from: "bkmgtpe".utf8.startIndex, to: $0) } ?? 0
        return scaled(whole, fraction ?? [], unit: UInt64(1) << UInt64(10 * exponent))
    }

    private static func scaled(_ whole: ArraySlice<UInt8>, _ fraction: ArraySlice<UInt8>, unit: UInt64) -> Size {
        let number = whole.isEmpty ? 0 : UInt64(String(decoding: whole, as: UTF8.self))
        guard let number else { return .outOfRange }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow else { return .outOfRange }
        let part = Double("0." + String(decoding: fraction, as: UTF8.self) + "0") ?? 0
        // A part of a byte is none.
        guard part == 0 || unit > 1 else { return .malformed }
        let (sum, tooMuch) = bytes.addingReportingOverflow(UInt64(part * Double(unit)))
        return tooMuch ? .outOfRange : .bytes(sum)
    }

    /// Bytes as QEMU would take them back: `128M`.
    static func text(ofSize bytes: UInt64) -> String {
        for (suffix, shift) in [("G", UInt64(30)), ("M", 20), ("k", 10)]
        where bytes > 0 && bytes & ((1 << shift) - 1) == 0 {
            return "\(bytes >> shift)\(suffix)"
        }
        return "\(bytes)"
    }
}
