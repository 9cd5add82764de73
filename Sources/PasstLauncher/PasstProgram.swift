// Which file is passt.

import Linux

/// A passt that exists.
public struct PasstProgram: Equatable, Sendable {
    /// What passt is called with: the path as given, or `passt`.
    public let name: String
    /// Absolute.
    public let path: String

    /// - Parameter path: the `path=` option; nil is `passt` in PATH.
    public init(_ path: String?) throws(PasstError) {
        name = path ?? "passt"
        do throws(SystemError) {
            self.path = try ExecutablePath.resolve(name)
        } catch {
            throw .cannotStart(path: name, error)
        }
    }

    /// Whatever file, started as passt is: for those who may name one later.
    public static var anyFile: MindedProgram { MindedProgram(anyFile: PasstCommandLine.objection) }

    /// What the minder has to know of it.
    public var minded: MindedProgram { MindedProgram(path: path, objection: PasstCommandLine.objection) }
}
