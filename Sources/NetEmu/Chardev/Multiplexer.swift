// One stream for several users: QEMU's `-nographic` multiplexer. Ctrl-A is its key; what is typed goes to
// whoever has the focus, and nothing here knows what a user does with it. Pure.

/// What the owner of the stream is to do.
public enum MultiplexerAction: Equatable, Sendable {
    /// Hand these bytes to that user.
    case type([UInt8], to: Int)
    /// The focus has moved from one user to another.
    case switched(from: Int, to: Int)
    /// Show this.
    case show(String)
    /// Whoever has the focus shows his line again.
    case redraw
    /// Leave the program.
    case exit
}

/// Who of several users gets what is typed. Takes bytes, gives actions.
public struct Multiplexer: Sendable {
    static let escapeKey: UInt8 = 1
    /// Users of one stream, as in QEMU.
    static let mostUsers = 4
    /// Users; those without focus only write.
    public private(set) var count = 0
    /// The user that gets what is typed.
    public private(set) var focus = 0
    private var isEscaped = false

    /// No user yet.
    public init() {}

    /// One user more; returns its number. The first has the focus.
    public mutating func add() -> Int {
        defer { count += 1 }
        return count
    }

    /// The client has gone. A Ctrl-A that it typed last does not count for the next client; the focus stays.
    public mutating func forget() { isEscaped = false }

    static let help =
        "\r\nC-a h    print this help\r\nC-a x    exit emulator\r\nC-a c    switch between console and monitor\r\n"
        + "C-a C-a  sends C-a\r\n"

    /// Takes what was typed; actions come in typing order.
    public mutating func receive(_ bytes: some Sequence<UInt8>) -> [MultiplexerAction] {
        var actions: [MultiplexerAction] = []
        var run: [UInt8] = []
        for byte in bytes {
            if !isEscaped, byte != Self.escapeKey {
                run.append(byte)
                continue
            }
            guard isEscaped else {
                isEscaped = true
                continue
            }
            isEscaped = false
            if byte == Self.escapeKey {
                run.append(byte)
                continue
            }
            if !run.isEmpty { actions.append(.type(run, to: focus)) }
            run = []
            actions += command(byte)
        }
        if !run.isEmpty { actions.append(.type(run, to: focus)) }
        return actions
    }

    private mutating func command(_ byte: UInt8) -> [MultiplexerAction] {
        switch byte {
        case UInt8(ascii: "c"): return switchFocus()
        case UInt8(ascii: "x"): return [.show("netemu: Terminated\n\r"), .exit]
        case UInt8(ascii: "h"), UInt8(ascii: "?"): return [.show(Self.help), .redraw]
        default: return []
        }
    }

    private mutating func switchFocus() -> [MultiplexerAction] {
        guard count > 1 else { return [] }
        let former = focus
        focus = (focus + 1) % count
        return [.switched(from: former, to: focus)]
    }
}
