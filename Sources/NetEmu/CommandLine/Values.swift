// Values of options, each read by one throwing function: booleans, identifiers, paths; numbers and sizes are in
// Value+Numbers.swift. The texts are QEMU's where QEMU has one.

import Glibc
import Linux

enum Value {
    static let idHint = "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter."

    static func boolean(_ text: String, key: String) throws(OptionError) -> Bool {
        switch text {
        case "on", "yes", "true", "y": return true
        case "off", "no", "false", "n": return false
        default: throw OptionError("Parameter '\(key)' expects 'on' or 'off'")
        }
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
}
