// A terminal's bytes into keys: control characters, the cursor sequences of ECMA-48 (CSI … final)
// and of the VT100's application mode (SS3), UTF-8. Any byte sequence is accepted; what is not
// known is swallowed. It must not know what a key does.

/// What was typed.
enum Key: Equatable, Sendable {
    /// A character, as its UTF-8 bytes.
    case character([UInt8])
    case enter, backspace, delete, tab
    case left, right, up, down, home, end
    /// Ctrl with a letter, given in lower case.
    case control(UnicodeScalar)
}

/// Decodes one byte at a time.
struct KeyDecoder: Equatable, Sendable {
    private enum State: Equatable {
        case ground
        case escape
        /// Inside CSI, with the number collected so far.
        case csi(number: Int)
        case ss3
        case utf8(bytes: [UInt8], missing: Int)
    }

    private var state = State.ground
    /// The byte before was a carriage return: a line feed right after it belongs to it.
    private var sawReturn = false

    /// Takes one byte; returns the key it completes.
    mutating func accept(_ byte: UInt8) -> Key? {
        switch state {
        case .ground: return ground(byte)
        case .escape:
            state = byte == ascii("[") ? .csi(number: 0) : byte == ascii("O") ? .ss3 : .ground
            return nil
        case .csi(let number): return csi(byte, number)
        case .ss3:
            state = .ground
            return Self.cursorKey(byte)
        case .utf8(let bytes, let missing): return continuation(byte, bytes, missing)
        }
    }

    private mutating func ground(_ byte: UInt8) -> Key? {
        let afterReturn = sawReturn
        sawReturn = byte == 0x0d
        switch byte {
        case 0x0a: return afterReturn ? nil : .enter
        case 0x0d: return .enter
        case 0x08, 0x7f: return .backspace
        case 0x09: return .tab
        case 0x1b:
            state = .escape
            return nil
        case 0x01...0x1a: return .control(UnicodeScalar(byte + 0x60))
        case 0x20...0x7e: return .character([byte])
        case 0xc2...0xdf: return begin(byte, missing: 1)
        case 0xe0...0xef: return begin(byte, missing: 2)
        case 0xf0...0xf4: return begin(byte, missing: 3)
        default: return nil
        }
    }

    private mutating func begin(_ byte: UInt8, missing: Int) -> Key? {
        state = .utf8(bytes: [byte], missing: missing)
        return nil
    }

    private mutating func continuation(_ byte: UInt8, _ bytes: [UInt8], _ missing: Int) -> Key? {
        guard byte & 0xc0 == 0x80 else {
            state = .ground
            return ground(byte)
        }
        let all = bytes + [byte]
        guard missing <= 1 else {
            state = .utf8(bytes: all, missing: missing - 1)
            return nil
        }
        state = .ground
        // Overlong forms and surrogates decode to U+FFFD, of another length: they are no character.
        return Array(String(decoding: all, as: UTF8.self).utf8) == all ? .character(all) : nil
    }

    private mutating func csi(_ byte: UInt8, _ number: Int) -> Key? {
        switch byte {
        case 0x30...0x39:
            state = .csi(number: min(number * 10 + Int(byte - 0x30), 1000))
            return nil
        case 0x20...0x3f: return nil
        case ascii("~"):
            state = .ground
            return Self.editingKey(number)
        case 0x40...0x7e:
            state = .ground
            return Self.cursorKey(byte)
        default:
            state = .ground
            return ground(byte)
        }
    }

    private static func cursorKey(_ final: UInt8) -> Key? {
        switch final {
        case ascii("A"): .up
        case ascii("B"): .down
        case ascii("C"): .right
        case ascii("D"): .left
        case ascii("H"): .home
        case ascii("F"): .end
        default: nil
        }
    }

    private static func editingKey(_ number: Int) -> Key? {
        switch number {
        case 1, 7: .home
        case 4, 8: .end
        case 3: .delete
        default: nil
        }
    }
}
