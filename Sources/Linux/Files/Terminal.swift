// A terminal's settings: raw while the program reads keys, as they were when it ends or stops.

import CLinux
import Glibc

/// A terminal that is given back as it was found.
public final class Terminal {
    private let raw: CInt
    private let saved: UnsafeMutableRawPointer
    private let keepsSignals: Bool
    /// Keys arrive one by one: between `makeRaw` and `restore`.
    public private(set) var isRaw = false

    /// isatty(3).
    public static func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

    /// - Parameters:
    ///   - descriptor: borrowed for the life of the value.
    ///   - keepsSignals: Ctrl-C and Ctrl-Z stay signals instead of bytes.
    public init(_ descriptor: CInt, keepsSignals: Bool) {
        raw = descriptor
        self.keepsSignals = keepsSignals
        saved = .allocate(byteCount: ne_terminal_state_size(), alignment: 16)
    }

    deinit {
        restore()
        saved.deallocate()
    }

    /// Keys arrive one by one and are not echoed.
    public func makeRaw() throws(SystemError) {
        guard !isRaw else { return }
        _ = try check(ne_terminal_raw(raw, keepsSignals ? 1 : 0, saved), "tcsetattr")
        isRaw = true
    }

    /// The settings are as they were found.
    public func restore() {
        guard isRaw else { return }
        _ = ne_terminal_restore(raw, saved)
        isRaw = false
    }

    /// Columns and rows; nil when the descriptor is no terminal.
    public static func size(of descriptor: CInt) -> (columns: Int, rows: Int)? {
        var columns: CInt = 0
        var rows: CInt = 0
        guard ne_terminal_size(descriptor, &columns, &rows) == 0 else { return nil }
        return (Int(columns), Int(rows))
    }
}
