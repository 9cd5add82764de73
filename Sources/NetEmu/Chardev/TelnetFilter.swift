// The little of telnet (RFC 854, RFC 857, RFC 858) that a monitor needs: one byte at a time, our echo, no
// options of the peer's. Pure.

/// What a telnet client typed, without its commands.
struct TelnetFilter {
    private static let interpret: UInt8 = 255
    private static let subnegotiation: UInt8 = 250
    private static let endOfSubnegotiation: UInt8 = 240

    private enum State { case text, command, option, inside, insideCommand, afterReturn }
    private var state = State.text

    /// WILL ECHO, WILL SUPPRESS-GO-AHEAD, WILL and DO BINARY: what QEMU offers.
    static let greeting: [UInt8] = [255, 251, 1, 255, 251, 3, 255, 251, 0, 255, 253, 0]

    /// Text for the client: 255 is written twice.
    static func escaped(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        bytes.flatMap { $0 == interpret ? [interpret, interpret] : [$0] }
    }

    mutating func receive(_ bytes: [UInt8]) -> [UInt8] {
        var typed: [UInt8] = []
        for byte in bytes { if let key = receive(byte) { typed.append(key) } }
        return typed
    }

    private mutating func receive(_ byte: UInt8) -> UInt8? {
        switch state {
        case .afterReturn:
            state = .text
            // CR is followed by LF or NUL (RFC 854): one key.
            if byte == 0 || byte == 10 { return nil }
            return receive(byte)
        case .text:
            if byte == Self.interpret {
                state = .command
                return nil
            }
            if byte == 13 { state = .afterReturn }
            return byte
        case .command: return command(byte)
        case .option:
            state = .text
            return nil
        case .inside:
            if byte == Self.interpret { state = .insideCommand }
            return nil
        case .insideCommand:
            state = byte == Self.endOfSubnegotiation ? .text : .inside
            return nil
        }
    }

    private mutating func command(_ byte: UInt8) -> UInt8? {
        switch byte {
        case Self.interpret:
            state = .text
            return byte
        case Self.subnegotiation: state = .inside
        case 251...254: state = .option
        default: state = .text
        }
        return nil
    }
}
