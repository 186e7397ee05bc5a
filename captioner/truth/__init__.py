"""Is a caption true of its clip?"""
