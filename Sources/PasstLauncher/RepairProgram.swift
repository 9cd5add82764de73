// Which file is netemu-repair, and with which words it is started.

import Glibc
import Linux

/// A netemu-repair that exists.
public struct RepairProgram: Equatable, Sendable {
    /// The program's name, and what it is called with.
    public static let name = "netemu-repair"
    /// Absolute.
    public let path: String

    /// - Parameter path: nil searches beside this program, in ../libexec from there, then in PATH.
    public init(_ path: String?) throws(SystemError) {
        if let path {
            self.path = try ExecutablePath.resolve(path)
            return
        }
        for candidate in Self.candidates {
            if let found = try? ExecutablePath.resolve(candidate) {
                self.path = found
                return
            }
        }
        self.path = try ExecutablePath.resolve(Self.name)
    }

    /// Beside this program's file, whatever name it was called by.
    private static var candidates: [String] {
        guard let own = ownPath, let slash = own.utf8.lastIndex(of: UInt8(ascii: "/")) else { return [] }
        let directory = String(own[..<slash])
        return ["\(directory)/\(name)", "\(directory)/../libexec/\(name)"]
    }

    private static var ownPath: String? {
        var room = [CChar](repeating: 0, count: Int(PATH_MAX))
        // A byte less than there is room for: a zero stands behind it.
        if readlink("/proc/self/exe", &room, room.count - 1) > 0 { return String(systemText: room) }
        return try? ExecutablePath.resolve(ProgramArguments.name)
    }

    /// What the minder has to know of it.
    public var minded: MindedProgram { MindedProgram(path: path, objection: Self.objection) }

    /// It says when it is connected, and serves one conversation.
    static func arguments(_ files: PasstFiles, stays: Bool = false) -> [String] {
        (stays ? ["-v", "--stay"] : ["-v"]) + [files.repair]
    }

    /// Why `arguments` (argv without its first word) are not one of netemu's; nil when they are.
    public static func objection(_ arguments: [String]) -> String? {
        let end = ".sock.repair"
        guard let socket = arguments.last, socket.hasSuffix(end),
            let files = PasstFiles(name: String(socket.dropLast(end.utf8.count))),
            [false, true].contains(where: { Self.arguments(files, stays: $0) == arguments })
        else { return "\(name) for a socket elsewhere" }
        return nil
    }
}
