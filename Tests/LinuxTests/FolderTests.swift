import Glibc
import Linux
import TestSupport
import Testing

@Suite("files beneath a folder")
struct FolderTests {
    private func code(_ folder: Folder, _ name: String, _ flags: CInt = O_RDONLY) -> CInt {
        do throws(SystemError) {
            _ = try folder.open(beneath: name, flags)
            return 0
        } catch { return error.code }
    }

    @Test("what lies beneath is opened, as it is")
    func beneath() throws {
        try withTemporaryDirectory { directory in
            #expect(mkdir(directory.path + "/in", 0o700) == 0 && mkdir(directory.path + "/in/sub", 0o700) == 0)
            try SmallFile.write([1, 2, 3], to: directory.path + "/in/sub/file")
            let folder = try Folder(directory.path + "/in")
            for name in ["sub/file", "./sub/file", "sub/../sub/file"] { #expect(code(folder, name) == 0, "\(name)") }
            #expect(code(folder, "sub/file", O_WRONLY) == 0)
            #expect(try SmallFile.read(directory.path + "/in/sub/file") == [1, 2, 3])
            let flags = try folder.open(beneath: "sub/file", O_RDONLY)
            #expect(fcntl(flags.raw, F_GETFD) == FD_CLOEXEC)
            #expect(code(folder, "sub/none", O_WRONLY) == ENOENT && code(folder, "sub", O_WRONLY) == EISDIR)
        }
    }

    @Test("no name leads out, and no link anywhere")
    func outside() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path
            #expect(mkdir(path + "/in", 0o700) == 0)
            try SmallFile.write([1], to: path + "/out")
            try SmallFile.write([1], to: path + "/in/file")
            let folder = try Folder(path + "/in")
            for name in ["../out", "./../in/file", path + "/in/file", "/", ".."] {
                #expect(code(folder, name) == EXDEV, "\(name)")
            }
            #expect(symlink("file", path + "/in/link") == 0 && symlink("..", path + "/in/up") == 0)
            #expect(symlink("/proc/self/fd/0", path + "/in/magic") == 0)
            for name in ["link", "up/out", "up/in/file", "magic"] { #expect(code(folder, name) == ELOOP, "\(name)") }
        }
    }

    @Test("a folder that is not there is told by its path")
    func missing() throws {
        #expect(throws: SystemError(call: "open", code: ENOENT, subject: "/no/such")) { try Folder("/no/such") }
        #expect(throws: SystemError(call: "open", code: ENOTDIR, subject: "/etc/passwd")) { try Folder("/etc/passwd") }
    }
}
