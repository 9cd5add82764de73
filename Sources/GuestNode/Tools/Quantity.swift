// Numbers as people write and read them: seconds with a fraction, milliseconds with as many digits
// as are worth reading, byte counts with a suffix. No floating point, no locale.

import Bytes

extension Interval {
    /// Reads seconds such as `2`, `0.5` or `.25`, at most `limit` seconds, to the nanosecond.
    init?(seconds text: String, limit: Int64 = 1_000_000) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let whole = parts[0]
        let fraction = parts.count > 1 ? parts[1] : ""
        guard whole.utf8.count + fraction.utf8.count > 0, whole.utf8.count <= 9, fraction.utf8.count <= 9,
            (whole + fraction).utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        let seconds = Int64(whole) ?? 0
        var nanoseconds = Int64(fraction) ?? 0
        for _ in fraction.utf8.count..<9 { nanoseconds *= 10 }
        guard seconds < limit || seconds == limit && nanoseconds == 0 else { return nil }
        self.init(nanoseconds: seconds * 1_000_000_000 + nanoseconds)
    }
}

/// `value` nanoseconds in milliseconds with `digits` (0…3) decimals, rounded half up.
func milliseconds(_ value: Int64, digits: Int) -> String {
    var unit: Int64 = 1_000_000
    for _ in 0..<max(0, min(3, digits)) { unit /= 10 }
    let rounded = (max(0, value) &+ unit / 2) / unit
    let scale = 1_000_000 / unit
    guard scale > 1 else { return String(rounded) }
    return "\(rounded / scale).\(zeroPadded(rounded % scale, to: digits))"
}

/// `value` with zeros before it, `width` characters at least.
func zeroPadded(_ value: some FixedWidthInteger, to width: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
}

/// `text` with spaces after it, `width` characters at least.
func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}

/// Reads a number of bytes such as `4096`, `64K`, `100M`, `2G` (powers of 1024).
func byteCount(_ text: String) -> Int? {
    var digits = Substring(text)
    var shift = 0
    switch digits.last {
    case "K", "k": shift = 10
    case "M", "m": shift = 20
    case "G", "g": shift = 30
    case "T", "t": shift = 40
    default: break
    }
    if shift > 0 { digits = digits.dropLast() }
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits),
        number <= 1 << 20 || shift == 0,
        number >= 0, number <= Int.max >> 41 || shift < 40
    else { return nil }
    let (result, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
    return overflow ? nil : result
}
