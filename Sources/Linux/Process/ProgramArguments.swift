// The words that this program was called with, whatever they contain and wherever /proc is.

import CLinux

/// argv.
public enum ProgramArguments {
    /// The words behind the program's name; bytes that are no UTF-8 are kept (`String.systemBytes`).
    public static var words: [String] { (1..<max(1, ne_argument_count())).map { word($0) } }
    /// What the program was called by; empty when its caller gave it no word at all.
    public static var name: String { word(0) }

    private static func word(_ index: CInt) -> String { ne_argument(index).map { String(systemText: $0) } ?? "" }
}
