// Values of options, each read by one throwing function: sizes, numbers, booleans, identifiers,
// addresses, paths. The texts are QEMU's where QEMU has one.

import Glibc
import Link
import Linux

enum Value {
    static let sizeHints = [
        "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-",
        "and exabytes, respectively.",
    ]
    static let idHint = "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter."

    static func boolean(_ text: String, key: String) throws(OptionError) -> Bool {
        switch text {
        case "on", "yes", "true", "y": return true
        case "off", "no", "false", "n": return false
        default: throw OptionError("Parameter '\(key)' expects 'on' or 'off'")
        }
    }

    /// Decimal or 0x hexadecimal, with sign.
    static func integer(_ text: String, key: String) throws(OptionError) -> Int64 {
        guard let value = plainInteger(text) else { throw OptionError("Parameter '\(key)' expects an int64 value") }
        return value
    }

    static func plainInteger(_ text: String) -> Int64? {
        let lower = text.lowercased()
        return lower.hasPrefix("0x") ? Int64(lower.dropFirst(2), radix: 16) : Int64(lower)
    }

    /// Bytes. A number, whole or with a fraction, with one of the suffixes B k M G T P E in either
    /// case; hexadecimal takes no suffix.
    static func size(_ text: String, key: String) throws(OptionError) -> UInt64 {
        guard let bytes = plainSize(text) else {
            throw OptionError("Parameter '\(key)' expects a non-negative number below 2^64", hints: sizeHints)
        }
        return bytes
    }

    static func plainSize(_ text: String) -> UInt64? {
        let lower = text.lowercased()
        if lower.hasPrefix("0x") { return UInt64(lower.dropFirst(2), radix: 16) }
        guard let last = lower.utf8.last else { return nil }
        let suffixes: [UInt8] = Array("bkmgtpe".utf8)
        let power = suffixes.firstIndex(of: last)
        let number = power == nil ? lower : String(lower.dropLast())
        let unit = UInt64(1) << UInt64(10 * (power ?? 0))
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = UInt64(parts[0]), parts[0].first?.isNumber == true else { return nil }
        let (bytes, overflow) = whole.multipliedReportingOverflow(by: unit)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return bytes }
        return fraction(String(parts[1]), of: unit).flatMap { extra in
            let (sum, overflow) = bytes.addingReportingOverflow(extra)
            return overflow ? nil : sum
        }
    }

    private static func fraction(_ digits: String, of unit: UInt64) -> UInt64? {
        guard unit > 1, !digits.isEmpty, digits.utf8.count <= 9, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let value = Double("0." + digits)
        else { return nil }
        return UInt64(value * Double(unit))
    }

    /// QEMU's rule for ids: a letter, then letters, digits, `-`, `.`, `_`.
    static func identifier(_ text: String, key: String = "id") throws(OptionError) -> String {
        guard isWellFormed(id: text) else {
            throw OptionError("Parameter '\(key)' expects an identifier", hints: [idHint])
        }
        return text
    }

    static func isWellFormed(id: String) -> Bool {
        func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5a).contains(byte & 0xdf) }
        guard let first = id.utf8.first, isLetter(first) else { return false }
        return id.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || "-._".utf8.contains($0) }
    }

    /// `~/x` is `$HOME/x`: a shell expands it at the start of a word only, not after `path=`.
    static func path(_ text: String) -> String {
        guard text.hasPrefix("~/"), let home = getenv("HOME") else { return text }
        return String(systemText: home) + text.dropFirst(1)
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
