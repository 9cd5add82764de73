// What can go wrong with a passt, as values and as sentences. QEMU's well-known sentences stand first.

import Glibc
import Linux

/// A failure of a passt, or of an option of it.
public enum PasstError: Error, Equatable, Sendable {
    /// A `param=` word that would break supervision.
    case refusedParameter(String, reason: String)
    /// No such program, or it cannot be executed.
    case cannotStart(path: String, SystemError)
    /// Somebody has removed, or moved, the run-time directory.
    case noDirectory(path: String)
    /// The minder refused, or is gone.
    case notStarted(SpawnError)
    /// It ended before it was ready, or while it ran; with what it last said.
    case ended(ProcessEnd, lines: [String])
    /// It did not become ready in time.
    case notReady(seconds: Int, lines: [String])
    /// It runs and does not answer.
    case hung
    /// It was stopped by a signal, and nobody continued it in time.
    case suspended
    /// It does not know --vhost-user.
    case tooOld(path: String)

    /// passt's last words, at most 20, not shown before.
    public var lines: [String] {
        switch self {
        case .ended(_, let lines), .notReady(_, let lines): lines
        default: []
        }
    }
}

extension PasstError: CustomStringConvertible {
    /// One sentence; a suggestion stands on a second line. Without `lines`.
    public var description: String {
        switch self {
        case .refusedParameter(let word, let reason): "param=\(word) is not accepted: \(reason)"
        case .cannotStart(let path, let error):
            "Error creating daemon: Failed to execute child process “\(path)” (\(error.reason))"
                + (error.code == ENOENT ? "\n" + Self.suggestion : "")
        case .noDirectory(let path):
            "Passt cannot be started: netemu's run-time directory \(path) has been removed; a new netemu makes another"
        case .notStarted(let error): "\(error)"
        case .ended(.exited(let status), _): "Passt exited with code \(status)"
        case .ended(.signalled(let number), _): "Passt was killed by signal \(number)"
        case .notReady(let seconds, _): "Passt was not ready within \(seconds) s and was killed"
        case .hung: "Passt did not answer and was killed"
        case .suspended: "Passt was stopped and did not go on, and was killed"
        case .tooOld(let path):
            "passt at \(path) knows no vhost-user (needs 2024_11_27 or newer)\n" + Self.suggestion
        }
    }

    private static let suggestion =
        "Install passt 2024_11_27 or newer (package passt), or name such a program with path="
}
