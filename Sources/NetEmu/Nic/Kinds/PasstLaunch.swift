// What one passt is started with.

import Linux
import PasstLauncher

/// Everything one passt is started with.
struct PasstLaunch {
    let options: PasstOptions
    let program: PasstProgram
    let files: PasstFiles
    let directory: RuntimeDirectory
    let tools: PasstTools
    /// For what passt and netemu say of it.
    let voice: Voice
}
