# code: "AGENT_IMPORT_ERROR"
# message: "No module named 'cv2'"
# hint: "Add opencv-python-headless to the requirements: it brings the module cv2."
"""The requirement is called otherwise."""
import cv2


def run(query):
    return "ok"
