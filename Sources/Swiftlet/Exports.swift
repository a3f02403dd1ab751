@_exported public import SwiftletAsyncIO
@_exported public import SwiftletCoroutines
@_exported public import SwiftletLoop
@_exported public import SwiftletNet
