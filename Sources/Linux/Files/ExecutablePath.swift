// Which file a program's name means: the search that execvp(3) makes, done before the fork so that
// a missing program is an error with a name and not an exit status.

import CLinux
import Glibc

/// Finding programs.
public enum ExecutablePath {
    /// The absolute path of `program`: searched in PATH when it has no slash, else taken from the working directory.
    /// - Throws: ENOENT or EACCES about `program`.
    public static func resolve(_ program: String, searchPath: String? = environmentPath) throws(SystemError) -> String {
        guard !program.utf8.contains(UInt8(ascii: "/")) else { return try absolute(program) }
        var code = ENOENT
        for directory in (searchPath ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":") where !program.isEmpty {
            let candidate = "\(directory)/\(program)"
            let problem = obstacle(candidate)
            if problem == 0 { return try absolute(candidate) }
            if problem == EACCES { code = EACCES }
        }
        throw SystemError(call: "exec", code: code, subject: program)
    }

    /// PATH of this process.
    public static var environmentPath: String? { getenv("PATH").map { String(systemText: $0) } }

    private static func absolute(_ path: String) throws(SystemError) -> String {
        let problem = obstacle(path)
        guard problem == 0 else { throw SystemError(call: "exec", code: problem, subject: path) }
        guard path.utf8.first != UInt8(ascii: "/") else { return path }
        guard let here = getcwd(nil, 0) else { throw SystemError(call: "getcwd", code: errno) }
        defer { free(here) }
        return String(systemText: here) + "/" + path
    }

    /// 0, or why `path` cannot be executed.
    private static func obstacle(_ path: String) -> CInt {
        var info = stat()
        guard stat(path.systemPath, &info) == 0 else { return errno }
        guard info.st_mode & S_IFMT == S_IFREG, access(path.systemPath, X_OK) == 0 else { return EACCES }
        return 0
    }
}
